"""Bitmap: one bit a weight says whether it is zero; the others are listed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import packed_size
from workbench.kernels.sparse.stream import BITMAP
from workbench.weights.places import Places, Placing
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.arrays import Positions
    from workbench.weights.blank import Blank
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class Bitmap(Places):
    """1 bit a weight, packed, the first weight in the lowest bit; then the non-zero ones in storage order."""

    weights: int
    bitmap: NDArray[np.uint8]

    @classmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        return (Placing({}, (("bitmap", "indices", packed_size(part.size, 1)),), part.nonzeros, False),)

    @classmethod
    def outlined(cls, part: Blank) -> Iterable[Placing]:
        return cls.placings(part)

    @classmethod
    def of(cls, part: Part, placing: Placing) -> Bitmap:
        return cls(part.size, np.packbits(part.values.reshape(-1) != 0, bitorder="little"))

    def positions(self, shape: tuple[int, ...]) -> Positions:
        return np.flatnonzero(np.unpackbits(self.bitmap, count=self.weights, bitorder="little"))

    def arrays(self) -> tuple[Stored, ...]:
        return (Stored("bitmap", "indices", self.bitmap, 1, self.weights),)

    def fields(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Bitmap:
        return cls(math.prod(shape), reading.bits("bitmap", 1, math.prod(shape)))

    def check(self, listed: NDArray[np.float32]) -> None:
        if not listed.all():
            raise FormatError("a weight that its bitmap marks as non-zero is zero")

    def stream(self) -> tuple[NDArray[np.uint8], int]:
        return self.bitmap, BITMAP
