"""Truncated singular value decompositions, each computed once and read at every rank."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.cache import Cache
from workbench.weights.arrays import Floats
from workbench.weights.form import Form

_factors: Cache[tuple[Floats, Floats]] = Cache(ceiling=256 * 2**20)


def factors(form: Form, reading: str, matrix: Callable[[], Floats], rank: int) -> tuple[Floats, Floats]:
    """The best product of two matrices of that rank (Eckart and Young 1936): [rank, n] and [m, rank].

    matrix: gives the matrix [m, n] that `form` is read as; reading: name of that way of reading it. The singular values
    are shared evenly (√S on each side), so that both factors have weights of like size: pruning and quantisation then
    treat them alike.
    """
    first, second = _factors.get(reading, lambda: _whole(matrix()), form)
    return first[:rank], np.ascontiguousarray(second[:, :rank])


def _whole(matrix: Floats) -> tuple[Floats, Floats]:
    """The factors of full rank, whose first rows and columns are those of every lower one."""
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    root = np.sqrt(values)
    zero = np.float32(0)  # -0.0 + 0.0 is +0.0
    return (root[:, None] * right).astype(np.float32) + zero, (left * root).astype(np.float32) + zero
