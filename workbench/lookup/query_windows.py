"""Query-aware hashing: no buckets are cut beforehand; a window is laid around each query's own projection."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from scipy.special import ndtri

from workbench.lookup import Codes, Found, Lookup, Numbers, Vectors
from workbench.lookup._projections import Projections
from workbench.lookup._sorted import Sorted

CATALOGUE = {"HA-08": "windows around queries"}


class QueryWindows(Lookup):
    """An item is met where |a · x − a · q| ≤ w/2: two points at the distance s with the chance 2Φ(w/2s) − 1.

    Huang, Feng, Zhang, Fang, Ng, Query-aware locality-sensitive hashing, PVLDB 9(1), 2015, sections 2.2 and 3. A table
    is one projection, sorted; an item counts the more, the more tables meet it (collision counting). The width is
    given, or such that a window in the middle of the stored items has 2^−bits of them.
    """

    measure: ClassVar[Literal["angle", "distance"]] = "distance"

    def __init__(
        self, inputs: int, bits: int, tables: int, seed: int, sparse: bool = False, width: float | None = None
    ) -> None:
        super().__init__(inputs, bits, tables, seed)
        self.width = width
        self._directions = Projections(inputs, tables, seed, sparse)
        self._lines = Sorted(tables)

    @property
    def multiplications(self) -> int:
        return self._directions.multiplications

    def fit(self, vectors: Vectors) -> None:
        spread = float(np.sqrt(np.var(vectors, axis=0, dtype=np.float64).sum()))  # of a projection, on average
        self.width = self.width or 2 * spread * float(ndtri((1 + 2.0**-self.bits) / 2))

    def hashed(self, vectors: Vectors) -> Codes:
        return self._directions.of(vectors)

    def add(self, numbers: Numbers, codes: Codes) -> None:
        self._lines.add(numbers, codes)

    def answer(self, codes: Codes) -> Found:
        half = (self.width or 0.0) / 2
        return self._lines.between(codes - half, codes + half)
