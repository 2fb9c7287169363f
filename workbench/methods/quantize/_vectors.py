"""K-means over vectors, which product and residual quantisation make their tables by."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.weights.arrays import Floats
from workbench.weights.levels.vectors import Vectors, stretches

_ROUNDS = 25


def tables(weights: Floats, length: int, count: int) -> Vectors:
    """A table for each stretch of `length` columns of the matrix [out, in·kh·kw], which is no longer than a row.

    It has `count` vectors, or as many as there are outputs where these are fewer.
    """
    length = min(length, max(math.prod(weights.shape[1:]), 1))
    rows = stretches(weights, length).astype(np.float64)
    count = min(count, len(rows))
    found = [table(rows[:, stretch], count) for stretch in range(rows.shape[1])]
    return Vectors(weights.shape, np.stack(found).astype(np.float32))


def table(vectors: NDArray[np.float64], count: int, rounds: int = _ROUNDS) -> NDArray[np.float64]:
    """A local optimum of the within-cluster squares, [count, length], after so many of Lloyd's rounds at most.

    It starts at vectors evenly spread over those in the order of their sums.
    """
    spread = np.argsort(vectors.sum(1), kind="stable")
    table = vectors[spread[np.linspace(0, len(vectors) - 1, count).round().astype(int)]]
    nearest = np.full(len(vectors), -1)
    for _ in range(rounds):
        still_wanted()
        now = ((table**2).sum(1) - 2 * vectors @ table.T).argmin(1)
        if (now == nearest).all():
            break
        nearest = now
        members = np.bincount(nearest, minlength=count)
        held = members > 0  # an empty cluster keeps its vector
        for column in range(vectors.shape[1]):
            sums = np.bincount(nearest, vectors[:, column], count)
            table[held, column] = sums[held] / members[held]
    return table
