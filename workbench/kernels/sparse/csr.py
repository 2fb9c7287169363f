"""Unstructured sparse × dense in compressed rows: the survivors of a row one after another, each with its column.

Best for very sparse matrices (below about 5 % survivors) and for a single column; `panel` is faster in between.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.survivors import Floats, Survivors
from workbench.kernels.sparse.tiles import column_count, operands, tiles, total_bytes, whole_tile
from workbench.kernels.threads import shares as _threads
from workbench.kernels.vector.lookups import item, lanes_of, store_some, value, weight
from workbench.kernels.vector.registers import fma, load, splat, store


@dataclass(frozen=True, eq=False)
class RowCsr:
    """A matrix [rows, inputs] by rows, each row by its scale groups (one, unless the levels have more).

    starts: int32 [rows · groups + 1], first survivor of each group. indices: column of each survivor, uint16 where
    columns fit, else uint32. values: float32, or uint8 codes. table, first, scale: see `_survivors.Levels`.
    """

    shape: tuple[int, int]
    starts: NDArray[np.int32]
    indices: NDArray[Any]
    values: NDArray[Any]
    table: Floats
    first: NDArray[np.int32]
    scale: Floats

    @classmethod
    def of(cls, survivors: Survivors) -> RowCsr:
        """Raises ValueError for 2^31 survivors or more."""
        rows, columns = survivors.shape
        if survivors.positions.size >= 2**31:
            raise ValueError(f"{survivors.positions.size} survivors are too many for 32-bit row starts.")
        levels = survivors.levels
        groups, group = (1, max(columns, 1)) if levels is None else (levels.groups, levels.group)
        starts = np.zeros(rows * groups + 1, np.int32)
        indices = np.empty(survivors.positions.size, np.uint16 if columns <= 2**16 else np.uint32)
        if indices.size:
            _compress(survivors.positions, columns, groups, group, starts, indices)
        return cls(survivors.shape, np.cumsum(starts, dtype=np.int32), indices, survivors.values, *survivors.look_up())

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the product reads."""
        return total_bytes(astuple(self))

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """W @ x (+ bias), float32 [rows, columns] for x [inputs, columns], [rows] for x [inputs].

        Raises ValueError where x or the bias is of another type or shape.
        """
        flat, bias, y = operands(self.shape, x, bias)
        if not y.size:
            return y
        if column_count(x) == 1:
            _threads.split(_column, self.shape[0], threads, *self.arrays(), bias, flat, y.reshape(-1))
        else:
            for run in tiles(x.shape[1]):
                _threads.split(
                    _columns, self.shape[0], threads, *self.arrays(), bias, flat, y.reshape(-1), x.shape[1], *run
                )
        return y

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernels read, in their order."""
        return self.starts, self.indices, self.values, self.table, self.first, self.scale


@jit
def _compress(positions, columns, groups, group, starts, indices):  # type: ignore[no-untyped-def]
    row = 0
    begin = 0
    for i in range(positions.size):
        while positions[i] >= begin + columns:
            row += 1
            begin += columns
        column = positions[i] - begin
        indices[i] = column
        starts[row * groups + column // group + 1] += 1


@jit(fast_math=True)
def _columns(starts, indices, values, table, first, scale, bias, x, y, columns, left, count, width, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of `count` tiles of columns from `left` on."""
    lanes = lanes_of(width)
    groups = scale.size // bias.size
    column = left
    for _ in range(count):
        tile = whole_tile(x, columns, column, width)
        kept = min(lanes, columns - column)
        for row in range(start, stop):
            total = splat(item(bias, row), lanes)
            for group in range(row * groups, (row + 1) * groups):
                at = item(starts, group)
                number = item(starts, group + 1) - at
                begin = item(first, group)
                even = splat(np.float32(0), lanes)
                odd = even
                for _ in range(number >> 1):
                    even = fma(
                        weight(values, table, at, begin, lanes), load(tile, item(indices, at) * lanes, lanes), even
                    )
                    at += 1
                    odd = fma(
                        weight(values, table, at, begin, lanes), load(tile, item(indices, at) * lanes, lanes), odd
                    )
                    at += 1
                if number & 1:
                    even = fma(
                        weight(values, table, at, begin, lanes), load(tile, item(indices, at) * lanes, lanes), even
                    )
                total = fma(splat(item(scale, group), lanes), even + odd, total)
            if kept == lanes:
                store(y, row * columns + column, total)
            else:
                store_some(y, row * columns + column, total, kept)
        column += lanes


@jit(fast_math=True)
def _column(starts, indices, values, table, first, scale, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    groups = scale.size // bias.size
    for row in range(start, stop):
        total = bias[row]
        for group in range(row * groups, (row + 1) * groups):
            begin, found = item(first, group), np.float32(0)
            for at in range(item(starts, group), item(starts, group + 1)):
                found += value(values, table, at, begin) * item(x, item(indices, at))
            total += scale[group] * found
        y[row] = total
