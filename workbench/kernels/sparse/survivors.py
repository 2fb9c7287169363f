"""The survivors of a pruned matrix: where they stand and what they are. Every sparse layout is built from this."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.vector.aligned import aligned_zeros

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Survivors:
    """What is left of a matrix [rows, columns] after pruning.

    positions: int64 [n], ascending places in the flattened matrix. values: float32 [n].
    """

    shape: tuple[int, int]
    positions: NDArray[np.int64]
    values: Floats

    @classmethod
    def from_dense(cls, weights: Floats) -> Survivors:
        """The non-zero values of `weights` [rows, columns]. Raises ValueError for another number of dimensions."""
        if weights.ndim != 2:
            raise ValueError(f"Sparse weights are a matrix, not an array of {weights.ndim} dimensions.")
        flat = np.ascontiguousarray(weights, np.float32).reshape(-1)
        positions = np.flatnonzero(flat)
        rows, columns = weights.shape
        return cls((rows, columns), positions, flat[positions])

    @classmethod
    def from_positions(cls, positions: NDArray[np.int64], values: Floats, shape: tuple[int, int]) -> Survivors:
        """`values` at `positions` of a matrix of `shape`.

        Raises ValueError where positions do not ascend within the matrix, or there are not as many values.
        """
        rows, columns = shape
        positions = np.ascontiguousarray(positions, np.int64).reshape(-1)
        values = np.ascontiguousarray(values, np.float32).reshape(-1)
        if values.size != positions.size:
            raise ValueError(f"There are {positions.size} positions but {values.size} values.")
        if positions.size and (
            int(positions[0]) < 0 or int(positions[-1]) >= rows * columns or (positions[1:] <= positions[:-1]).any()
        ):
            raise ValueError(f"Positions must ascend from 0 to {rows * columns - 1} without repetition.")
        return cls((rows, columns), positions, values)

    def filled(self, count: int, slot_of: NDArray[np.int64]) -> Floats:
        """Values laid out in `count` slots, survivor i in slot slot_of[i], zeros in the others."""
        slots = aligned_zeros(count, np.float32)
        slots[slot_of] = self.values
        return slots
