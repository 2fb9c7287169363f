"""Relative index: each non-zero weight with the number of zeros since the one before it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.kernels.sparse.gaps import WIDTHS, entries
from workbench.weights.places import Places, Placing
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.arrays import Positions
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading

CATALOGUE = {"CO-03": "relative gaps"}


@dataclass(frozen=True, eq=False)
class RelativeIndex(Places):
    """A gap of a few bits for each entry (Han, Mao, Dally, Deep Compression, ICLR 2016, section 2).

    Runs of zeros longer than a gap can say are bridged by filler entries, whose value is zero; they count as entries.
    The width of a gap, 2 to 8 bits, is the one that takes the fewest bytes.

    gap_bits: that width. entries: how many, fillers included. gaps: packed.
    """

    gap_bits: int
    entries: int
    gaps: NDArray[np.uint8]

    @classmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        shortest = packed_size(part.nonzeros, WIDTHS.start)
        return _placings(part) if part.nonzeros <= part.listed_within(below - shortest) else ()

    @classmethod
    def of(cls, part: Part, placing: Placing) -> RelativeIndex:
        width = placing.fields["gap_bits"]
        gaps, _ = entries(part.values, width)
        return cls(width, gaps.size, pack(gaps, width))

    def positions(self, shape: tuple[int, ...]) -> Positions:
        return np.cumsum(self._unpacked().astype(np.int64) + 1) - 1

    def _unpacked(self) -> NDArray[np.uint8]:
        return unpack(self.gaps, self.gap_bits, self.entries).astype(np.uint8, copy=False)

    def arrays(self) -> tuple[Stored, ...]:
        return (Stored("gaps", "indices", self.gaps, self.gap_bits, self.entries),)

    def fields(self) -> dict[str, Any]:
        return {"gap_bits": self.gap_bits, "entries": self.entries}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> RelativeIndex:
        width = reading.integer("gap_bits", WIDTHS.start, WIDTHS.stop - 1)
        count = reading.integer("entries", 0, math.prod(shape))
        packed, gaps = reading.codes("gaps", width, count)
        if int(gaps.sum(dtype=np.int64)) + count > math.prod(shape):
            raise FormatError("its gaps run past the last weight")
        return cls(width, count, packed)

    def check(self, listed: NDArray[np.float32]) -> None:
        zero = listed == 0
        if (zero & (self._unpacked() != 2**self.gap_bits - 1)).any() or zero[-1:].any():
            raise FormatError("an entry that is not a filler is zero")

    def stream(self) -> tuple[NDArray[np.uint8], int]:
        return self.gaps, self.gap_bits


def _placings(part: Part) -> Iterator[Placing]:
    counts = {width: part.nonzeros + fillers for width, fillers in zip(WIDTHS, part.fillers, strict=True)}
    for width in sorted(counts, key=lambda width: counts[width] * (width + part.bits)):  # the smallest first
        arrays = (("gaps", "indices", packed_size(counts[width], width)),)
        yield Placing(
            {"gap_bits": width, "entries": counts[width]}, arrays, counts[width], counts[width] > part.nonzeros
        )
