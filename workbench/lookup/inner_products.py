"""The largest inner product as the smallest distance, by transforming stored vectors and queries differently (ALSH)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.lookup import LOOKUPS, Codes, Found, Lookup, Numbers, Vectors

CATALOGUE = {"HA-09": "the transformations of ALSH"}

TERMS = 3  # m, and the largest norm U, as the paper recommends (section 3.5)
REACH = 0.83


def stored(vectors: Vectors, largest: float) -> NDArray[Any]:
    """P(x) = [x; ‖x‖²; ‖x‖⁴; ...; ‖x‖^(2^m)] of U · x / `largest`, [n, inputs + m].

    Shrivastava, Li, Asymmetric LSH for sublinear time maximum inner product search, NeurIPS 2014, section 3.2:
    ‖P(x) − Q(q)‖² = 1 + m/4 − 2 ⟨x, q⟩ + ‖x‖^(2^(m + 1)), and the last term is at most U^(2^(m + 1)).
    """
    scaled = vectors * (REACH / largest)
    norms = (scaled * scaled).sum(1, keepdims=True)
    return np.concatenate([scaled, *(norms ** (2**term) for term in range(TERMS))], axis=1)


def wanted(queries: Vectors) -> NDArray[Any]:
    """Q(q) = [q; ½; ...; ½] of q / ‖q‖, [n, inputs + m]; of zeros, zeros and halves."""
    norms = np.linalg.norm(queries, axis=1, keepdims=True)
    halves = np.full((len(queries), TERMS), 0.5, queries.dtype)
    return np.concatenate([queries / np.where(norms > 0, norms, 1), halves], axis=1)


class InnerProducts(Lookup):
    """Another kind of lookup, by distance, behind the two transformations."""

    measure: ClassVar[Literal["angle", "distance"]] = "distance"

    def __init__(
        self, inputs: int, bits: int, tables: int, seed: int, sparse: bool = False, of: str = "fixed-buckets"
    ) -> None:
        """of: the kind behind the transformations."""
        super().__init__(inputs, bits, tables, seed)
        self._largest = 0.0
        self._inner = LOOKUPS[of](inputs + TERMS, bits, tables, seed, sparse)

    @property
    def multiplications(self) -> int:
        return self._inner.multiplications + self.inputs + TERMS  # and those of a norm and its powers

    def fit(self, vectors: Vectors) -> None:
        self._largest = float(np.linalg.norm(vectors, axis=1).max(initial=0.0)) or 1.0
        self._inner.fit(stored(vectors, self._largest))

    def hashed(self, vectors: Vectors) -> Codes:
        return self._inner.hashed(stored(vectors, self._largest))

    def asked(self, queries: Vectors) -> Codes:
        return self._inner.asked(wanted(queries))

    def add(self, numbers: Numbers, codes: Codes) -> None:
        self._inner.add(numbers, codes)

    def answer(self, codes: Codes) -> Found:
        return self._inner.answer(codes)
