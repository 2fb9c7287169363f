"""A table of values of its own for each tensor, as k-means makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from workbench.errors import FormatError
from workbench.weights.arrays import Codes, Floats, Zeros
from workbench.weights.levels import Levels, Rounded
from workbench.weights.levels._table import Table
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading

CATALOGUE = ("CO-02",)

_MOST = 256  # entries of a stored table


@dataclass(frozen=True, eq=False)
class Codebook(Table):
    """Value = centroids[code], at most 256 of them, float32 (Han, Mao, Dally, Deep Compression, ICLR 2016, section 3).

    zero_entry: whether an entry 0.0 was added at the end for weights that are exactly zero.
    """

    bits: int
    centroids: Floats
    zero_entry: bool = False

    @cached_property
    def entries(self) -> Floats:
        return np.append(self.centroids, np.zeros(1, np.float32)) if self.zero_entry else self.centroids

    @property
    def storable(self) -> bool:
        return self.entries.size <= _MOST and self.centroids.size <= 2**self.bits

    def facts(self) -> dict[str, Any]:
        return {"bits": self.bits, "centroids": self.centroids.size, "zero_entry": self.zero_entry}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("codebook", "codebooks", as_bytes(self.entries)),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        bits = reading.integer("bits", 1, 8)
        size = reading.integer("centroids", 0, 2**bits)
        zero_entry = reading.flag("zero_entry")
        if size + zero_entry > _MOST:
            raise FormatError(f"a table of {size + zero_entry} values cannot hold its weights")
        values = reading.floats("codebook", size + zero_entry)
        centroids = values[:size]
        if zero_entry and (values[size:].view(np.uint32).any() or (centroids == 0).any()):
            raise FormatError("the added last entry of the table must be the only zero in it")
        return cls(bits, centroids, zero_entry)

    def with_zeros(self, part: Rounded) -> Levels | None:
        return self if self.has_zero else replace(self, zero_entry=True)

    def without_added_zero(self, codes: Codes) -> tuple[Levels, Codes, Zeros | None]:
        if not self.zero_entry:
            return self, codes, None
        added = codes == self.centroids.size
        return replace(self, zero_entry=False), np.where(added, codes.dtype.type(0), codes), added
