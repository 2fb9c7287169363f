"""Which weights of a layer are zero, as a picture of its matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.weights.part import Part

MOST_CELLS = 20_000  # of a picture in which a cell stands for several weights, one byte each
MOST_BITS = 2**17  # of one in which every weight has its own


@dataclass(frozen=True, eq=False)
class Mask:
    """rows, columns: of the matrix [out, in · kh · kw]. side: a cell stands for side × side weights, fewer at the ends.

    left: float64 [cells down, cells across], the share of each cell's weights that are not zero. zeros: of all weights.
    """

    rows: int
    columns: int
    side: int
    left: NDArray[np.float64]
    zeros: int

    def packed(self) -> bytes:
        """What is left, row after row: one bit a weight where each has its own cell, the first in the lowest bit; else
        a byte a cell, 255 where all are left, 0 only where none is."""
        if self.side == 1:
            return np.packbits(self.left > 0, bitorder="little").tobytes()
        return np.ceil(255 * self.left).astype(np.uint8).tobytes()


def mask(part: Part) -> Mask:
    """Of a tensor whose values are known."""
    rows, columns = part.shape[0], math.prod(part.shape[1:])
    filled = part.values.reshape(rows, columns) != 0
    side = 1 if filled.size <= MOST_BITS else math.ceil(math.sqrt(filled.size / MOST_CELLS))
    while side > 1 and math.ceil(rows / side) * math.ceil(columns / side) > MOST_CELLS:
        side += 1
    down, across = (np.arange(0, length, side) for length in (rows, columns))
    left = np.add.reduceat(np.add.reduceat(filled, down, 0, dtype=np.int64), across, 1)
    heights, widths = (np.diff([*starts, length]) for starts, length in ((down, rows), (across, columns)))
    return Mask(rows, columns, side, left / np.outer(heights, widths), part.size - part.nonzeros)
