"""Unstructured sparse × dense by panels: the columns of the matrix in panels whose part of the dense operand stays in L1.

Within a panel the rows stand in order of their number of survivors, so that the loop over them runs equally often from one
row to the next and its end is foreseen. A row's column is a byte within its panel.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _threads
from workbench.kernels._jit import jit
from workbench.kernels._sparse_vector import item, lanes_of, scratch, value, weight
from workbench.kernels._survivors import Floats, Survivors
from workbench.kernels._tiles import column_count, fill, operands, put, tiles, total_bytes
from workbench.kernels._vector import fma, load, splat, store

PANEL = 128  # columns: 32 KiB of the dense operand at 64 columns of float32
STRIPE = 512  # rows: the unit that threads share out


@dataclass(frozen=True, eq=False)
class PanelCsr:
    """A matrix [rows, inputs] in panels of `panel` columns and stripes of `STRIPE` rows.

    A (panel, stripe) pair, panels outside, lists its rows that have survivors, fewest first.
    heads: int64 [panels · stripes + 1], first listed row of each pair; entries: the same for survivors. rows: uint16 or
    uint32, the row's number within its stripe; counts: its survivors in the panel. indices: uint8, a survivor's column
    within the panel. values: float32, or uint8 codes. table, first, scale: see `_survivors.Levels`; scale groups, where
    there are several a row, are the panels.
    """

    shape: tuple[int, int]
    panel: int
    heads: NDArray[np.int64]
    entries: NDArray[np.int64]
    rows: NDArray[np.uint16]
    counts: NDArray[np.uint8]
    indices: NDArray[np.uint8]
    values: NDArray[Any]
    table: Floats
    first: NDArray[np.int32]
    scale: Floats

    @classmethod
    def of(cls, survivors: Survivors) -> PanelCsr:
        """Raises ValueError where scale groups are wider than 128 columns; `sparse_csr.RowCsr` takes those."""
        rows, columns = survivors.shape
        levels = survivors.levels
        panel = PANEL if levels is None or levels.groups == 1 else levels.group
        if panel > PANEL:
            raise ValueError(f"Scale groups of {panel} columns are wider than a panel of {PANEL}.")
        panels, stripes = -(-columns // panel), -(-rows // STRIPE)
        found = np.zeros((panels, rows), np.int64)
        if survivors.positions.size:
            _count(survivors.positions, columns, panel, found)
        order = np.empty((panels, rows), np.int64)
        for stripe in range(0, rows, STRIPE):
            part = found[:, stripe : stripe + STRIPE]
            order[:, stripe : stripe + STRIPE] = np.argsort(part, axis=1, kind="stable") + stripe
        sorted_counts = np.take_along_axis(found, order, axis=1)
        listed = sorted_counts > 0
        cursors = np.empty((panels, rows), np.int64)  # of each (panel, row): its first survivor
        ends = np.cumsum(sorted_counts.reshape(-1)).reshape(panels, rows)
        np.put_along_axis(cursors, order, ends - sorted_counts, axis=1)
        indices = np.empty(survivors.positions.size, np.uint8)
        values = np.empty_like(survivors.values)
        if indices.size:
            _place(survivors.positions, survivors.values, columns, panel, cursors, indices, values)
        return cls(
            survivors.shape,
            panel,
            _starts(listed, stripes),
            _starts(sorted_counts, stripes),
            (order % STRIPE)[listed].astype(np.uint16),
            sorted_counts[listed].astype(np.uint8),
            indices,
            values,
            *survivors.look_up(),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the product reads."""
        return total_bytes(astuple(self))

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """W @ x (+ bias), float32 [rows, columns] for x [inputs, columns], [rows] for x [inputs].

        Raises ValueError where x or the bias is of another type or shape.
        """
        flat, bias, y = operands(self.shape, x, bias)
        stripes = -(-self.shape[0] // STRIPE)
        size = (self.panel, self.shape[1])
        if column_count(x) == 1:
            _threads.split(_column, stripes, threads, *self.arrays(), *size, bias, flat, y.reshape(-1))
            return y
        for at, count, width in tiles(x.shape[1]):
            arguments = (*self.arrays(), *size, bias, flat, y.reshape(-1), x.shape[1], at, width)
            _threads.split(_columns, count * stripes, threads, *arguments)
        return y

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernels read, in their order."""
        return (
            *(self.heads, self.entries, self.rows, self.counts, self.indices, self.values),
            *(self.table, self.first, self.scale),
        )


def _starts(counts: NDArray[Any], stripes: int) -> NDArray[np.int64]:
    """Running total of `counts` [panels, rows] over (panel, stripe) pairs, from 0 on."""
    bounds = np.arange(stripes) * STRIPE
    totals = np.add.reduceat(counts.astype(np.int64), bounds, axis=1) if stripes and counts.size else np.zeros(0, np.int64)
    return np.concatenate(([0], np.cumsum(totals.reshape(-1)))).astype(np.int64)


@jit
def _count(positions, columns, panel, found):  # type: ignore[no-untyped-def]
    row = 0
    begin = 0
    for i in range(positions.size):
        while positions[i] >= begin + columns:
            row += 1
            begin += columns
        found[(positions[i] - begin) // panel, row] += 1


@jit
def _place(positions, survivors, columns, panel, cursors, indices, values):  # type: ignore[no-untyped-def]
    row = 0
    begin = 0
    for i in range(positions.size):
        while positions[i] >= begin + columns:
            row += 1
            begin += columns
        column = positions[i] - begin
        at = cursors[column // panel, row]
        cursors[column // panel, row] = at + 1
        indices[at] = column % panel
        values[at] = survivors[i]


@jit(fast_math=True)
def _columns(  # type: ignore[no-untyped-def]
    heads, entries, rows, counts, indices, values, table, first, scale, panel, inputs, bias, x, y, columns, at, width, start, stop
):
    """Units start..stop of (tile, stripe) pairs, tiles outside, the first tile beginning at column `at`."""
    lanes = lanes_of(width)
    stripes = -(-bias.size // STRIPE)
    tile_x = scratch(panel * lanes)
    tile_y = scratch(min(STRIPE * min(stop - start, stripes), bias.size) * lanes)
    for tile in range(start // stripes, -(-stop // stripes)):
        low = max(start - tile * stripes, 0)
        high = min(stop - tile * stripes, stripes)
        column = at + tile * lanes
        tile_y[:] = 0
        for number in range(-(-inputs // panel)):
            fill(tile_x, x, columns, column, number * panel, min(inputs, (number + 1) * panel), width)
            for stripe in range(low, high):
                pair = number * stripes + stripe
                sorted_rows(
                    *(heads[pair], heads[pair + 1], entries[pair], rows, counts, indices, values, table, first, scale),
                    *(stripe * STRIPE, number, bias.size, tile_x, tile_y, (stripe - low) * STRIPE, width),
                )
        finish(tile_y, low * STRIPE, min(high * STRIPE, bias.size), scale, bias, y, columns, column, width)


@jit(fast_math=True)
def sorted_rows(  # type: ignore[no-untyped-def]
    head, tail, at, rows, counts, indices, values, table, first, scale, row_0, number, height, x, y, y_0, width
):
    """Add a (panel, stripe) pair's product with `x` [panel, lanes] to the rows of `y` from `y_0` on.

    row_0: first row of the stripe; number: of the panel; height: rows of the matrix.
    """
    lanes = lanes_of(width)
    groups = scale.size // height
    group = number if groups > 1 else 0
    for listed in range(head, tail):
        row = item(rows, listed)
        to = (y_0 + row) * lanes
        which = (row_0 + row) * groups + group
        begin = item(first, which)
        even = splat(np.float32(0), lanes)
        odd = even
        if groups == 1:
            even = load(y, to, lanes)
        count = item(counts, listed)
        for _ in range(count >> 1):
            even = fma(weight(values, table, at, begin, lanes), load(x, item(indices, at) * lanes, lanes), even)
            odd = fma(weight(values, table, at + 1, begin, lanes), load(x, item(indices, at + 1) * lanes, lanes), odd)
            at += 2
        if count & 1:
            even = fma(weight(values, table, at, begin, lanes), load(x, item(indices, at) * lanes, lanes), even)
            at += 1
        total = even + odd
        if groups > 1:
            total = fma(splat(item(scale, which), lanes), total, load(y, to, lanes))
        store(y, to, total)


@jit(fast_math=True)
def finish(tile, start, stop, scale, bias, y, columns, column, width):  # type: ignore[no-untyped-def]
    """Rows start..stop of a tile, times the row's scale where it has one, plus bias, to their place in `y`."""
    lanes = lanes_of(width)
    kept = min(lanes, columns - column)
    edge = np.empty(lanes, np.float32)
    per_row = scale.size == bias.size
    for row in range(start, stop):
        total = load(tile, (row - start) * lanes, lanes)
        factor = splat(item(scale, row) if per_row else np.float32(1), lanes)
        put(y, row * columns + column, fma(total, factor, splat(item(bias, row), lanes)), kept, edge, width)


@jit(fast_math=True)
def _column(heads, entries, rows, counts, indices, values, table, first, scale, panel, inputs, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Stripes start..stop of a single column."""
    stripes = -(-bias.size // STRIPE)
    groups = scale.size // bias.size
    for row in range(start * STRIPE, min(stop * STRIPE, bias.size)):
        y[row] = bias[row]
    for number in range(-(-inputs // panel)):
        for stripe in range(start, stop):
            pair = number * stripes + stripe
            at = entries[pair]
            for listed in range(heads[pair], heads[pair + 1]):
                row = stripe * STRIPE + item(rows, listed)
                which = row * groups + (number if groups > 1 else 0)
                begin = item(first, which)
                total = np.float32(0)
                end = at + item(counts, listed)
                for i in range(at, end):
                    total += value(values, table, i, begin) * item(x, number * panel + item(indices, i))
                at = end
                y[row] += scale[which] * total
