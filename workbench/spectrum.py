"""Truncated singular value decompositions, each computed once and read at every rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache, fingerprint
from workbench.form import Floats

_decompositions: Cache[tuple[NDArray[np.float64], ...]] = Cache(ceiling=256 * 2**20)


def decompose(matrix: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """U [m, k], singular values [k] and Vᵀ [k, n] of a matrix [m, n], in float64, k = min(m, n)."""
    left, values, right = _decompositions.get(
        fingerprint(matrix), lambda: tuple(np.linalg.svd(matrix.astype(np.float64), full_matrices=False))
    )
    return left, values, right


def factors(matrix: Floats, rank: int) -> tuple[Floats, Floats]:
    """The best product of two matrices of that rank (Eckart and Young 1936): [rank, n] and [m, rank].

    The singular values are shared evenly (√S on each side), so that both factors have weights of like size: pruning
    and quantisation then treat them alike.
    """
    left, values, right = decompose(matrix)
    root = np.sqrt(values[:rank])
    return (root[:, None] * right[:rank]).astype(np.float32), (left[:, :rank] * root).astype(np.float32)
