"""Projections of vectors on random directions, dense or so sparse that they cost little."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import csr_matrix

from workbench.lookup import Codes, Vectors


class Projections:
    """Dense: all entries standard normal. Sparse: 0 but for one in √inputs, ±1 with equal chance, times their root.

    Li, Hastie, Church, Very sparse random projections, KDD 2006, section 2.3: a sparse one needs additions alone, each
    of which is counted here as a multiplication would be. Angles and distances are then kept for vectors whose energy
    is spread over many entries.
    """

    def __init__(self, inputs: int, count: int, seed: int, sparse: bool) -> None:
        random = np.random.default_rng(seed)
        directions = random.standard_normal((count, inputs), dtype=np.float32)
        self._sparse: csr_matrix | None = None
        self.multiplications = directions.size  # for one vector
        if sparse:
            taken = random.random(directions.shape) < 1 / math.sqrt(inputs)
            scale = np.float32(inputs**0.25)
            self._sparse = csr_matrix(np.where(taken, np.sign(directions) * scale, np.float32(0)))
            self.multiplications = int(self._sparse.nnz)
        self._dense = directions.T

    def of(self, vectors: Vectors) -> Codes:
        """[n, inputs] -> [n, count]."""
        return vectors @ self._dense if self._sparse is None else (self._sparse @ vectors.T).T
