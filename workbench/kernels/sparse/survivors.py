"""The survivors of a pruned matrix: where they stand and what they are. Every sparse layout is built from this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import DECODERS

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Levels:
    """Values that lie on levels: a survivor of code c in scale group g is scale[g] · table[first[g] + c].

    A row has `groups` scale groups, each of `group` columns, the last one shorter.

    table: float32 [entries]. first: int32 [rows, groups]. scale: float32 [rows, groups].
    """

    table: Floats
    first: NDArray[np.int32]
    scale: Floats
    group: int

    @classmethod
    def codebook(cls, centroids: Floats, shape: tuple[int, int]) -> Levels:
        """Levels in one table for the whole matrix of `shape`: value = centroids[code]."""
        table = np.ascontiguousarray(centroids, np.float32).reshape(-1)
        return cls(table, np.zeros((shape[0], 1), np.int32), np.ones((shape[0], 1), np.float32), max(shape[1], 1))

    @classmethod
    def affine(
        cls, scale: Floats, zero_point: Floats, bits: int, shape: tuple[int, int], group: int | None = None
    ) -> Levels:
        """Levels on uniform grids: value = scale · (code − zero point), codes of `bits` bits, in a matrix of `shape`.

        scale, zero_point: one number each (one grid), one a row, or [rows, groups] with runs of `group` columns.
        """
        rows, columns = shape
        groups = 1 if group is None else -(-columns // group)
        scales, points = (_per_group(one, rows, groups) for one in (scale, zero_point))
        codes = np.arange(2**bits, dtype=np.float32)
        if (points == points[:1, :1]).all():
            table, first = codes - (points[0, 0] if points.size else np.float32(0)), np.zeros((rows, groups), np.int32)
        elif (points == np.rint(points)).all() and np.abs(points).max() < 2**15:  # one ramp, entered at several places
            highest = int(points.max())
            table = np.arange(-highest, 2**bits - int(points.min()), dtype=np.float32)
            first = (highest - points).astype(np.int32)
        else:
            table = (codes - points.reshape(-1, 1)).reshape(-1).astype(np.float32)
            first = (np.arange(rows * groups, dtype=np.int32) * 2**bits).reshape(rows, groups)
        return cls(table, first, scales, max(columns, 1) if group is None else group)

    @property
    def groups(self) -> int:
        return int(self.scale.shape[1])

    @property
    def decoder(self) -> tuple[int, ...]:
        """The cheapest of `DECODERS` that is right for this table."""
        if (np.diff(self.table) == 1).all():
            return DECODERS["ramp"]
        return DECODERS["small" if self.table.size <= 16 and not self.first.any() else "any"]


@dataclass(frozen=True, eq=False)
class Survivors:
    """What is left of a matrix [rows, columns] after pruning.

    positions: int64 [n], ascending places in the flattened matrix. values: float32 [n], or uint8 codes [n] of `levels`.
    """

    shape: tuple[int, int]
    positions: NDArray[np.int64]
    values: NDArray[Any]
    levels: Levels | None

    @classmethod
    def from_dense(cls, weights: Floats) -> Survivors:
        """The non-zero values of `weights` [rows, columns]. Raises ValueError for another number of dimensions."""
        if weights.ndim != 2:
            raise ValueError(f"Sparse weights are a matrix, not an array of {weights.ndim} dimensions.")
        flat = np.ascontiguousarray(weights, np.float32).reshape(-1)
        positions = np.flatnonzero(flat)
        rows, columns = weights.shape
        return cls((rows, columns), positions, flat[positions], None)

    @classmethod
    def from_positions(
        cls,
        positions: NDArray[np.int64],
        values: NDArray[Any],
        shape: tuple[int, int],
        levels: Levels | None = None,
    ) -> Survivors:
        """Survivors at `positions` of a matrix of `shape`; `values` are float32, or uint8 codes with `levels`.

        Raises ValueError where positions do not ascend within the matrix, a code is outside its table, or shapes
        differ.
        """
        rows, columns = shape
        positions = np.ascontiguousarray(positions, np.int64).reshape(-1)
        values = np.ascontiguousarray(values, np.float32 if levels is None else np.uint8).reshape(-1)
        if values.size != positions.size:
            raise ValueError(f"There are {positions.size} positions but {values.size} values.")
        if positions.size and (
            int(positions[0]) < 0 or int(positions[-1]) >= rows * columns or (positions[1:] <= positions[:-1]).any()
        ):
            raise ValueError(f"Positions must ascend from 0 to {rows * columns - 1} without repetition.")
        if levels is not None:
            groups = -(-columns // levels.group) if columns else 1
            if levels.scale.shape != (rows, groups) or levels.first.shape != (rows, groups):
                raise ValueError(f"Levels for a matrix {rows}×{columns} need [{rows}, {groups}] scales.")
            reach = levels.first.reshape(-1)[_group_of(positions, columns, levels)] + values.astype(np.int64)
            if reach.size and not 0 <= int(reach.min()) <= int(reach.max()) < levels.table.size:
                raise ValueError("A code is outside the table of its levels.")
        return cls((rows, columns), positions, values, levels)

    @property
    def decoder(self) -> tuple[int, ...]:
        return DECODERS["any"] if self.levels is None else self.levels.decoder

    def as_floats(self) -> Survivors:
        """The same with float32 values."""
        if self.levels is None:
            return self
        group = _group_of(self.positions, self.shape[1], self.levels)
        levels = self.levels
        values = levels.scale.reshape(-1)[group] * levels.table[levels.first.reshape(-1)[group] + self.values]
        return Survivors(self.shape, self.positions, values.astype(np.float32), None)

    def look_up(self) -> tuple[Floats, NDArray[np.int32], Floats]:
        """table (16 entries or more), first and scale of the levels; float32 values have a scale of 1."""
        if self.levels is not None:
            table = self.levels.table
            return (
                np.pad(table, (0, max(0, 16 - table.size))),  # as a whole register
                np.ascontiguousarray(self.levels.first).reshape(-1),
                np.ascontiguousarray(self.levels.scale).reshape(-1),
            )
        rows = self.shape[0]
        return np.zeros(16, np.float32), np.zeros(rows, np.int32), np.ones(rows, np.float32)

    def filled(
        self, count: int, row_of: NDArray[np.int64], slot_of: NDArray[np.int64]
    ) -> tuple[NDArray[Any], Survivors]:
        """Values laid out in `count` slots that belong to rows `row_of` [count], survivor i in slot slot_of[i].

        Slots without a survivor hold a zero: 0.0, or a code whose level is 0. Where some row has no such code, or more
        than one scale, all values become float32. Returns the values and the survivors they were taken from.
        """
        zeros, source = None, self
        if self.levels is not None:
            zeros = zero_codes(self.levels)
            source = self if zeros is not None else self.as_floats()
        slots = aligned(count, source.values.dtype)
        slots[...] = 0 if zeros is None else zeros[row_of]
        slots[slot_of] = source.values
        return slots, source


def _per_group(numbers: Floats, rows: int, groups: int) -> Floats:
    numbers = np.asarray(numbers, np.float32)
    if numbers.size not in (1, rows, rows * groups):
        raise ValueError(f"{numbers.size} scales or zero points do not fit {rows} rows of {groups} groups.")
    shape = (1, 1) if numbers.size == 1 else (rows, 1 if numbers.size == rows else groups)
    return np.ascontiguousarray(np.broadcast_to(numbers.reshape(shape), (rows, groups)))


def _group_of(positions: NDArray[np.int64], columns: int, levels: Levels) -> NDArray[np.int64]:
    row, column = np.divmod(positions, max(columns, 1))
    return row * levels.groups + column // levels.group


def zero_codes(levels: Levels) -> Codes | None:
    """A code whose level is zero for each row, or None where some row has none or has several scale groups."""
    if levels.groups > 1:
        return None
    codes = np.zeros(levels.first.shape[0], np.uint8)
    reachable = np.arange(min(256, levels.table.size))
    for first in np.unique(levels.first):
        inside = reachable[reachable + first < levels.table.size]
        found = np.flatnonzero(levels.table[first + inside] == 0)
        if not found.size:
            return None
        codes[levels.first[:, 0] == first] = found[0]
    return codes
