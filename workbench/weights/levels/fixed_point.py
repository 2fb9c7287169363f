"""Fixed point ⟨IL, FL⟩: whole numbers of a step 2^−FL, saturating at both ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.sparse.stream import Listed
from workbench.weights.arrays import Codes, Floats, Indices
from workbench.weights.levels import DeadZones, Levels

if TYPE_CHECKING:
    from workbench.weights.reading import Reading

MOST_BITS = 16
_FARTHEST = 100  # bits between the point and a number's first one


@dataclass(frozen=True, eq=False)
class FixedPoint(Levels):
    """Multiples of ε = 2^−fraction from −2^(integer − 1) to 2^(integer − 1) − ε, the nearest one, halves to even.

    Gupta, Agrawal, Gopalakrishnan, Narayanan, ICML 2015, section 3. integer: bits before the point, the sign included.
    fraction: bits after it. Either may be below zero, the other beyond the width then: dynamic fixed point, whose point
    need not lie among the bits. A code is the multiple plus 2^(bits − 1).
    """

    integer: int
    fraction: int

    @property
    def bits(self) -> int:  # type: ignore[override]
        return self.integer + self.fraction

    @property
    def _offset(self) -> int:
        return int(2 ** (self.bits - 1))

    @property
    def pointwise(self) -> bool:
        return True

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        multiple = np.rint(weights.astype(np.float64) * 2.0**self.fraction)
        code = (np.clip(multiple, -self._offset, self._offset - 1) + self._offset).astype(self.code_type)
        if codes is not None:
            codes[...] = code
        return self.decode(code)

    def drawn(self, weights: Floats, random: np.random.Generator) -> Codes:
        """The code of one of both neighbours of each weight, the nearer the likelier (section 3.1)."""
        multiple = np.floor(weights.astype(np.float64) * 2.0**self.fraction + random.random(weights.shape))
        return (np.clip(multiple, -self._offset, self._offset - 1) + self._offset).astype(self.code_type)

    def within(self, shape: tuple[int, ...], rows: Indices, whole: bool) -> Self:
        return self

    def decode(self, codes: Codes) -> Floats:
        return (codes.astype(np.float64) - self._offset).astype(np.float32) * np.float32(2.0**-self.fraction)

    def dead_zones(self, shape: tuple[int, ...]) -> DeadZones:
        """Up to half a step on both sides, since halves are rounded to the even zero."""
        half = np.float32(2.0 ** -(self.fraction + 1))
        high = half if self._offset > 1 else np.float32(np.inf)  # a single bit has no level above zero
        return np.array([-half]), np.array([high]), None

    def facts(self) -> dict[str, Any]:
        return {"integer": self.integer, "fraction": self.fraction}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        levels = cls(
            reading.integer("integer", -_FARTHEST, _FARTHEST), reading.integer("fraction", -_FARTHEST, _FARTHEST)
        )
        if not 1 <= levels.bits <= MOST_BITS:
            raise FormatError(f"fixed point of {levels.bits} bits is not of 1 to {MOST_BITS}")
        return levels

    def zero_codes(self, shape: tuple[int, ...]) -> Codes:
        return np.full(1, self._offset, self.code_type)

    @property
    def _scale(self) -> Floats:
        return np.full(1, 2.0**-self.fraction, np.float32)

    def listed(self, codes: NDArray[np.uint8], shape: tuple[int, ...]) -> Listed | None:
        if self.bits > 8:
            return None
        return Listed(codes=codes, bits=self.bits, scale=self._scale, point=float(self._offset))

    def low_bit(self, codes: Codes, zeros: bool) -> lowbit.LowBit | None:
        if self.bits > 8:
            return None
        return lowbit.affine(codes, self.bits, self._scale, np.full(1, self._offset, np.float32))
