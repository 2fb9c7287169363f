"""Sums of shifted signs: an input as a few binary activations, each with its threshold and its share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from workbench.errors import FormatError
from workbench.kernels.binary.bases import SummedSigns
from workbench.kernels.binary.layers import SignConvolution, SignMatrix
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels
from workbench.weights.levels.binary_bases import MOST_BASES, BinaryBases
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.encoding import Convolution, Kernel
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class ShiftedSigns(Levels):
    """x becomes Σ β_n A_n with A_n = +1 where clip(x + v_n, 0, 1) ≥ ½, else −1 (ABC-Net, equations 6 to 9).

    shifts: v_n − ½, whose sum with x has the sign A_n. betas: β. Both float32 [N]. Only inputs are rounded to these.
    """

    shifts: Floats
    betas: Floats

    @property
    def bits(self) -> int:  # type: ignore[override]
        return int(self.shifts.size)

    @property
    def pointwise(self) -> bool:
        return True

    def entered(self, inputs: Floats) -> Floats:
        total = np.zeros(inputs.shape, np.float32)
        for shift, beta in zip(self.shifts, self.betas, strict=True):
            total += np.where(inputs + shift >= 0, beta, -beta)
        return total

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        if codes is not None:
            codes[...] = sum((weights + shift >= 0) << place for place, shift in enumerate(self.shifts))
        return np.where(weights == 0, np.float32(0), self.entered(weights))

    def decode(self, codes: Codes) -> Floats:
        return BinaryBases(self.betas).decode(codes)

    def facts(self) -> dict[str, Any]:
        return {"count": self.bits}

    def tables(self) -> tuple[Stored, ...]:
        return Stored("shifts", "scales", as_bytes(self.shifts)), Stored("betas", "scales", as_bytes(self.betas))

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        count = reading.integer("count", 1, MOST_BASES)
        found = cls(reading.floats("shifts", count), reading.floats("betas", count))
        if not np.isfinite(np.concatenate([found.shifts, found.betas])).all():
            raise FormatError("its thresholds and shares are not all finite")
        return found

    def multiplied(
        self, weights: Levels, codes: Codes, shape: tuple[int, ...], use: Convolution | None
    ) -> Kernel | None:
        if not isinstance(weights, BinaryBases) or (use is not None and use.groups > 1):
            return None
        signs = np.moveaxis(weights.signs(codes.reshape(shape)).astype(np.float32), -1, 0)
        products: list[SignMatrix | SignConvolution] = []
        for base, alpha in zip(signs, weights.alphas, strict=True):
            scale, base = np.full(shape[0], alpha, np.float32), np.ascontiguousarray(base)
            if use is None:
                products.append(SignMatrix.of(base, scale, False))
            else:
                products.append(SignConvolution.of(base, scale, False, use.stride, use.padding, use.dilation))
        return SummedSigns(tuple(products), self.shifts, self.betas)
