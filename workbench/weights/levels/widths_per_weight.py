"""Uniform grids over one range, each weight with a width of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels, Rounded
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading

WIDEST = 8
_MAP = 4  # bits of a width


@dataclass(frozen=True, eq=False)
class WidthsPerWeight(Levels):
    """Value = reach · (2 · code + 1 − 2^b) / 2^b, code from 0 to 2^b − 1, b the weight's own width of 0 to 8 bits.

    The levels of b bits are the middles of 2^b even pieces of [−reach, reach], so that a weight of no bits is zero, and
    takes none. shape: of the tensor. widths: uint8, of that shape. A code's bits are stored one after another, the
    lowest first, weight after weight; the widths themselves in four bits each.
    """

    code_per_weight: ClassVar[bool] = False
    shape: tuple[int, ...]
    widths: NDArray[np.uint8]
    reach: float

    @property
    def bits(self) -> int:  # type: ignore[override]
        """The mean width in arithmetic, rounded up."""
        return max(math.ceil(float(self.widths.mean())) if self.widths.size else 1, 1)

    @property
    def stored_bits(self) -> int:
        return 1

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (int(self.widths.sum(dtype=np.int64)),)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each weight's bits begin."""
        ends = np.cumsum(self.widths.ravel(), dtype=np.int64)
        return ends - self.widths.ravel()

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        whole = self._codes(weights)
        if codes is not None:
            flat, widths = whole.ravel(), self.widths.ravel()
            for bit in range(WIDEST):
                there = widths > bit
                codes[self._starts[there] + bit] = (flat[there] >> bit) & 1
        return np.where(weights == 0, np.float32(0), self._values(whole))

    def _codes(self, weights: Floats) -> NDArray[np.int64]:
        pieces = np.exp2(self.widths.astype(np.float64))
        place = np.floor((weights.astype(np.float64) / self.reach + 1) / 2 * pieces)
        return np.clip(place, 0, pieces - 1).astype(np.int64)

    def _values(self, whole: NDArray[np.int64]) -> Floats:
        pieces = np.exp2(self.widths.astype(np.float64))
        return (self.reach * (2 * whole + 1 - pieces) / pieces).astype(np.float32) + np.float32(0)

    def decode(self, codes: Codes) -> Floats:
        whole, widths = np.zeros(self.widths.size, np.int64), self.widths.ravel()
        for bit in range(WIDEST):
            there = widths > bit
            whole[there] |= codes[self._starts[there] + bit].astype(np.int64) << bit
        return self._values(whole.reshape(self.shape))

    def facts(self) -> dict[str, Any]:
        return {}

    def tables(self) -> tuple[Stored, ...]:
        widths = Stored("widths", "scales", pack(self.widths.ravel(), _MAP), _MAP, self.widths.size)
        return Stored("reach", "scales", as_bytes(np.full(1, self.reach, np.float32))), widths

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        reach = float(reading.floats("reach", 1)[0])
        widths = reading.codes("widths", _MAP, math.prod(shape))[1].astype(np.uint8).reshape(shape)
        if not reach > 0 or int(widths.max(initial=0)) > WIDEST:
            raise FormatError(f"a weight has at most {WIDEST} bits, and its range is more than 0")
        return cls(shape, widths, reach)

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Itself, unless weights that have bits were cut after they were rounded."""
        assert part.codes is not None
        return self if np.array_equal(self.decode(part.codes), part.values) else None
