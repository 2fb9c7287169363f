"""Signs: +1 for what is not below zero, -1 for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.binary.layers import SignConvolution, SignMatrix
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels

if TYPE_CHECKING:
    from workbench.weights.encoding import Convolution, Kernel
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class Signs(Levels):
    """The input of a layer as its signs, sign(0) = +1 (Rastegari et al., XNOR-Net, ECCV 2016, section 3.2).

    by_window: the layer's sums are multiplied by K, the mean magnitude of the inputs that each of them sees, so that
    I * W is about (sign I * W) K (equation 11). What lies in zero padding is no input: it adds nothing to a sum, and K
    is the mean over the others.

    reach: the largest size of an input through which a gradient goes; None for the root mean square of all. No file
    holds it.
    """

    bits: ClassVar[int] = 1  # type: ignore[misc]
    by_window: bool = True
    reach: float | None = None

    @property
    def pointwise(self) -> bool:
        return True

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        if codes is not None:
            codes[...] = weights >= 0
        return np.sign(weights) + np.float32(0)

    def entered(self, inputs: Floats) -> Floats:
        return np.where(inputs >= 0, np.float32(1), np.float32(-1))

    def passing(self, inputs: Floats) -> NDArray[np.bool_]:
        """Those up to the root mean square of all: where batch norm stands before the signs, the paper's |x| <= 1."""
        if self.reach is not None:
            return np.abs(inputs) <= self.reach
        return np.abs(inputs) <= np.sqrt(np.mean(np.square(inputs, dtype=np.float32), dtype=np.float64))

    def decode(self, codes: Codes) -> Floats:
        return np.where(codes > 0, np.float32(1), np.float32(-1))

    def facts(self) -> dict[str, Any]:
        return {"by_window": self.by_window}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        return cls(reading.flag("by_window"))

    def with_zeros(self, part: Any) -> Levels | None:
        return self if part.nonzeros == part.size else None

    def multiplied(
        self, weights: Levels, codes: Codes, shape: tuple[int, ...], use: Convolution | None
    ) -> Kernel | None:
        grid = weights.grid(shape) if weights.stored_bits == 1 else None
        if grid is None or (grid[1] != 0.5).any() or (use is not None and use.groups > 1):
            return None  # not two levels as far on either side of zero
        scale = grid[0] / np.float32(2)
        signs = np.where(codes > 0, np.float32(1), np.float32(-1)).reshape(shape)
        if use is None:
            return SignMatrix.of(signs, scale, self.by_window)
        return SignConvolution.of(signs, scale, self.by_window, use.stride, use.padding, use.dilation)
