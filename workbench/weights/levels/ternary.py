"""Ternary numbers: −1, 0 and 1, with a threshold that says how many are zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.binary.grids import Gates, GridConvolution, GridMatrix, GridWeights
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.encoding import Convolution, Kernel
    from workbench.weights.reading import Reading

_NARROW = 2  # bits of weights that are multiplied as planes of bits


@dataclass(frozen=True, eq=False)
class Ternary(Levels):
    """sign(x) where |x| > threshold, else 0 (Deng, Jiao, Pei, Wu, Li, GXNOR-Net, 2018, equation 5).

    window: a gradient goes through where |x| is no farther from the threshold (equation 7). No file holds it.
    """

    bits: ClassVar[int] = 2  # type: ignore[misc]
    threshold: float
    window: float = 0.5

    @property
    def pointwise(self) -> bool:
        return True

    @property
    def highest_code(self) -> int:
        return 2

    def entered(self, inputs: Floats) -> Floats:
        return np.where(np.abs(inputs) > np.float32(self.threshold), np.sign(inputs), np.float32(0)) + np.float32(0)

    def passing(self, inputs: Floats) -> NDArray[np.bool_]:
        return np.abs(np.abs(inputs) - self.threshold) <= self.window

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        found = self.entered(weights)
        if codes is not None:
            codes[...] = found + 1
        return found

    def decode(self, codes: Codes) -> Floats:
        return codes.astype(np.float32) - np.float32(1)

    def facts(self) -> dict[str, Any]:
        return {}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("threshold", "scales", as_bytes(np.full(1, self.threshold, np.float32))),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        (threshold,) = reading.floats("threshold", 1)
        if not threshold >= 0:
            raise FormatError("its threshold is below zero, or no number")
        return cls(float(threshold))

    def zero_codes(self, shape: tuple[int, ...]) -> Codes:
        return np.ones(1, self.code_type)

    def multiplied(
        self, weights: Levels, codes: Codes, shape: tuple[int, ...], use: Convolution | None
    ) -> Kernel | None:
        grid = weights.grid(shape) if weights.stored_bits <= _NARROW else None
        if grid is None or (use is not None and use.groups > 1):
            return None
        made = GridWeights.of(codes.reshape(shape), weights.stored_bits, *grid, Gates(2, 1.0, 1, self.threshold))
        return GridMatrix(made) if use is None else GridConvolution(made, use.stride, use.padding, use.dilation)
