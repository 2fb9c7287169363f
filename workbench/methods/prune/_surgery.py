"""Deleting the weights of a block one by one, each time the one that costs least, while the others move to make up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.evidence import Floats
from workbench.kernels.threads.blas import one_thread

_AT_ONCE = 2**21  # bytes of inverses that are worked at together: they are read again for every weight that goes


@dataclass(frozen=True)
class Surgery:
    """Of several blocks of as many weights, deletion by deletion, until nothing is left.

    order: int32 [blocks, deletions], which weight goes. costs: float64, L_q of each. moves: [blocks, deletions,
    weights], what is added to all of them, float64 or, where it is kept, float32.
    """

    order: NDArray[np.int32]
    costs: Floats
    moves: NDArray[Any]

    @property
    def kept(self) -> Surgery:
        """The same in half the memory."""
        return replace(self, moves=self.moves.astype(np.float32))

    def after(self, weights: Floats, counts: NDArray[np.int64]) -> Floats:
        """float64 [blocks, weights]: what `weights` are after the first counts[block] deletions of each block."""
        done = np.arange(weights.shape[1]) < counts[:, None]
        found = weights + np.matmul(done[:, None, :], self.moves, dtype=np.float64)[:, 0]
        blocks, deletions = np.nonzero(done)
        found[blocks, self.order[blocks, deletions]] = 0
        return found


def operate(weights: Floats, inverse: Floats) -> Surgery:
    """q = argmin w_q² / (2 [H⁻¹]_qq), δw = −(w_q / [H⁻¹]_qq) · H⁻¹ e_q, until no weight is left; equal ones in order.

    After each deletion H⁻¹ is that of the weights that are left. weights: float64 [blocks, weights]. inverse: H⁻¹,
    [blocks, weights, weights] (Hassibi and Stork 1993, equations 5 and 6). What is zero goes first and moves nothing.
    """
    blocks, count = weights.shape
    order, costs = np.empty((blocks, count), np.int32), np.empty((blocks, count))
    surgery = Surgery(order, costs, np.empty((blocks, count, count)))
    step = max(_AT_ONCE // max(8 * count * count, 1), 1)
    with one_thread():
        for start in range(0, blocks, step):
            still_wanted()
            _operate(weights[start : start + step], inverse[start : start + step], surgery, start)
    return surgery


def _operate(weights: Floats, inverse: Floats, surgery: Surgery, start: int) -> None:
    """H⁻¹ without what has gone is H⁻¹ − Σ v vᵀ, v a column of it over the root of its diagonal: only the column of
    the weight that goes, and the diagonal, are ever worked out."""
    weights, diagonal = weights.copy(), np.diagonal(inverse, axis1=1, axis2=2).copy()
    blocks, count = weights.shape
    columns = np.zeros((blocks, count, count))  # the v so far
    gone, each = np.zeros((blocks, count), bool), np.arange(blocks)
    for place in range(count):
        costs = np.where(gone, np.inf, np.square(weights) / (2 * diagonal))
        going = costs.argmin(1)
        before = columns[:, :place]
        column = inverse[each, going] - np.matmul(before[each, :, going][:, None], before)[:, 0]
        column[gone] = 0
        root = np.sqrt(column[each, going])[:, None]
        columns[:, place] = column / root
        move = -weights[each, going][:, None] / root * columns[:, place]
        here = slice(start, start + blocks)
        surgery.order[here, place], surgery.costs[here, place] = going, costs[each, going]
        surgery.moves[here, place] = move
        weights += move
        weights[each, going] = 0
        diagonal -= np.square(columns[:, place])
        gone[each, going] = True
        diagonal[gone] = 1
