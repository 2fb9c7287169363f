"""Whether the survivors of a matrix keep to a pattern: so many in a run of neighbours, or whole blocks of a column.

A weight survives where its magnitude is above a threshold. Both counts end early where the matrix is seen not to keep
to it, which for zeros at random is soon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.stretches import clear, scratch

Floats = NDArray[np.float32]


def most_in_a_run(weights: Floats, length: int, threshold: float, most: int) -> int:
    """The most survivors in any of a row's whole runs of `length` weights; most + 1 where there are more than `most`.

    weights: float32 [rows, columns] in C order. The columns after a row's last whole run are left out.
    """
    return int(_most_in_a_run(weights, length, np.float32(threshold), most))


def in_blocks(weights: Floats, height: int, threshold: float, most: int) -> int:
    """How many weights stand in blocks of `height` rows × 1 column that hold a survivor; more than `most` where there
    are more, but not how many.

    weights: float32 [rows, columns] in C order. The last block of a column may have fewer rows.
    """
    return int(_in_blocks(weights, height, np.float32(threshold), most))


@jit
def _most_in_a_run(weights, length, threshold, most):  # type: ignore[no-untyped-def]
    found = 0
    for row in range(weights.shape[0]):
        for run in range(weights.shape[1] // length):
            alive = 0
            for column in range(run * length, (run + 1) * length):
                alive += 1 if abs(weights[row, column]) > threshold else 0
            found = max(found, alive)
            if found > most:
                return most + 1
    return found


@jit
def _in_blocks(weights, height, threshold, most):  # type: ignore[no-untyped-def]
    found = 0
    rows, columns = weights.shape
    alive = scratch(columns, np.uint8)
    for top in range(0, rows, height):
        clear(alive, 0, columns)
        bottom = min(top + height, rows)
        for row in range(top, bottom):
            for column in range(columns):
                alive[column] |= np.uint8(abs(weights[row, column]) > threshold)
        for column in range(columns):
            found += alive[column] * (bottom - top)
        if found > most:
            break
    return found
