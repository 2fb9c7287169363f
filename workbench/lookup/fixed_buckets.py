"""Locality-sensitive hashing by distance: projections are cut into buckets of a fixed width."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from workbench.lookup import Codes, Found, Lookup, Numbers, Vectors
from workbench.lookup._projections import Projections
from workbench.lookup._sorted import Sorted


class FixedBuckets(Lookup):
    """h(x) = ⌊(a · x + b) / w⌋ (Datar, Immorlica, Indyk, Mirrokni, SoCG 2004, section 3.1), K of them in a table.

    Two points at the distance s share one with a chance of 1 − 2Φ(−w/s) − 2s / (√2π w) · (1 − exp(−w² / 2s²)).
    """

    measure: ClassVar[Literal["angle", "distance"]] = "distance"

    def __init__(
        self, inputs: int, bits: int, tables: int, seed: int, sparse: bool = False, width: float = 2.5
    ) -> None:
        """width: 2.5 is what Shrivastava and Li recommend for vectors that are scaled as theirs are."""
        super().__init__(inputs, bits, tables, seed)
        self.width = width
        self._directions = Projections(inputs, tables * bits, seed, sparse)
        random = np.random.default_rng([seed, 1])
        self._shifts = random.uniform(0, width, tables * bits)
        self._mixed = random.integers(1, 2**63, bits, dtype=np.int64) | 1
        self._buckets = Sorted(tables)

    @property
    def multiplications(self) -> int:
        return self._directions.multiplications

    def hashed(self, vectors: Vectors) -> Codes:
        cells = np.floor((self._directions.of(vectors) + self._shifts) / self.width).astype(np.int64)
        with np.errstate(over="ignore"):  # K numbers as one of 64 bits
            return (cells.reshape(len(vectors), self.tables, self.bits) * self._mixed).sum(2)

    def add(self, numbers: Numbers, codes: Codes) -> None:
        self._buckets.add(numbers, codes)

    def answer(self, codes: Codes) -> Found:
        return self._buckets.between(codes, codes)
