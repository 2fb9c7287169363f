"""Locality-sensitive hashing by signs: vectors at a small angle lie on the same side of most planes."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from workbench.lookup import Codes, Found, Lookup, Numbers, Vectors
from workbench.lookup._projections import Projections
from workbench.lookup._sorted import Sorted

CATALOGUE = {"HA-05": "hash tables for angles"}


class SignedProjections(Lookup):
    """One bit is the side of a random plane: two vectors at the angle θ share it with the chance p = 1 − θ/π.

    All K bits must agree in one of the L tables: 1 − (1 − p^K)^L. Gionis, Indyk, Motwani, Similarity search in high
    dimensions via hashing, VLDB 1999, section 3; the planes are Charikar's (STOC 2002, section 3).
    """

    measure: ClassVar[Literal["angle", "distance"]] = "angle"

    def __init__(self, inputs: int, bits: int, tables: int, seed: int, sparse: bool = False) -> None:
        super().__init__(inputs, bits, tables, seed)
        self._planes = Projections(inputs, tables * bits, seed, sparse)
        self._buckets = Sorted(tables)

    @property
    def multiplications(self) -> int:
        return self._planes.multiplications

    def hashed(self, vectors: Vectors) -> Codes:
        sides = (self._planes.of(vectors) >= 0).reshape(len(vectors), self.tables, self.bits)
        return sides @ (np.int64(1) << np.arange(self.bits, dtype=np.int64))

    def add(self, numbers: Numbers, codes: Codes) -> None:
        self._buckets.add(numbers, codes)

    def answer(self, codes: Codes) -> Found:
        return self._buckets.between(codes, codes)
