"""Ternary codes: bits of which the stored vector is not sure match either side, all words of a memory at once."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from workbench.lookup import Codes, Found, Lookup, Numbers, Vectors
from workbench.lookup._projections import Projections

CATALOGUE = {"HA-06": "ternary words, their memory emulated"}


class TernaryCodes(Lookup):
    """A stored bit is the side of a random plane, or "don't care" where the vector lies near it; a query's bits are
    all sure. A word answers a query if all bits that it cares about agree.

    Shinde, Goel, Gupta, Dutta, Similarity search and locality sensitive hashing using ternary content addressable
    memories, SIGMOD 2010, section 4. Such a memory compares all words in one lookup; here, as in its match lines, each
    bit says which words it leaves in, for all of them side by side. So it is emulated, and its speed is not shown:
    a lookup counts as one comparison a table.
    """

    measure: ClassVar[Literal["angle", "distance"]] = "angle"

    def __init__(
        self, inputs: int, bits: int, tables: int, seed: int, sparse: bool = False, doubt: float = 0.2
    ) -> None:
        """doubt: the share of bits that are "don't care", of vectors in any direction."""
        super().__init__(inputs, bits, tables, seed)
        self._planes = Projections(inputs, tables * bits, seed, sparse)
        self._near = float(ndtri((1 + doubt) / 2))
        self._numbers: Numbers = np.empty(0, np.int64)
        self._lines: NDArray[np.uint8] = np.empty((2, tables, bits, 0), np.uint8)

    @property
    def multiplications(self) -> int:
        return self._planes.multiplications

    def hashed(self, vectors: Vectors) -> Codes:
        """int8 [n, tables, bits]: 0, 1, or 2 for "don't care"."""
        places = self._planes.of(vectors).reshape(len(vectors), self.tables, self.bits)
        unsure = np.abs(places) < self._near * np.linalg.norm(vectors, axis=1)[:, None, None]
        return np.where(unsure, np.int8(2), (places >= 0).astype(np.int8))

    def asked(self, queries: Vectors) -> Codes:
        places = self._planes.of(queries).reshape(len(queries), self.tables, self.bits)
        return (places >= 0).astype(np.int8)

    def add(self, numbers: Numbers, codes: Codes) -> None:
        items = len(self._numbers)
        words = np.unpackbits(self._lines, axis=3, count=items).astype(bool)
        matching = np.stack([(codes == side) | (codes == 2) for side in (0, 1)]).transpose(0, 2, 3, 1)
        self._lines = np.packbits(np.concatenate([words, matching], axis=3), axis=3)
        self._numbers = np.concatenate([self._numbers, numbers])

    def answer(self, codes: Codes) -> Found:
        items, tables = len(self._numbers), np.arange(self.tables)
        left = np.full((len(codes), self.tables, self._lines.shape[3]), 255, np.uint8)
        for bit in range(self.bits):
            left &= self._lines[codes[:, :, bit], tables, bit]
        asking, _, word = np.nonzero(np.unpackbits(left, axis=2, count=items))
        offsets = np.searchsorted(asking, np.arange(len(codes) + 1))
        return Found(offsets, self._numbers[word], len(codes) * self.tables + len(word))
