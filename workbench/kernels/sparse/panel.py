"""Unstructured sparse × dense by panels: columns in panels whose part of the dense operand stays in L1.

Within a panel the rows stand in order of their number of survivors, so that the loop over them runs equally often from
one row to the next and its end is foreseen. A survivor's column is a byte within its panel.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.survivors import Floats, Survivors
from workbench.kernels.sparse.tiles import column_count, fill, operands, tiles, total_bytes
from workbench.kernels.threads import shares as _threads
from workbench.kernels.vector.aligned import as_aligned
from workbench.kernels.vector.lookups import (
    item,
    lanes_of,
    scaling_of,
    scratch,
    store_some,
    take,
    taken,
    value,
    weight,
    word_at,
)
from workbench.kernels.vector.registers import fma, load, splat, store

PANEL = 128  # columns: 32 KiB of the dense operand at 64 columns of float32
STRIPE = 512  # rows: the unit that threads share out, and within which rows are sorted

# Which of eight values to spread over a vector. An argument of the kernels: a constant would be compiled to loads.
SELECTORS = as_aligned(np.repeat(np.arange(8, dtype=np.int32), 16))


@dataclass(frozen=True, eq=False)
class PanelCsr:
    """A matrix [rows, inputs] in panels of `panel` columns and stripes of `stripe` rows.

    A (panel, stripe) pair, panels outside, lists its rows that have survivors, fewest first.
    heads: int64 [panels · stripes + 1], first listed row of each pair; entries: the same for survivors. rows: uint16 or
    uint32, the row's number within its stripe; counts: its survivors in the panel. indices: uint8, a survivor's column
    within the panel. values: float32, or uint8 codes. table, first, scale: see `_survivors.Levels`; scale groups, where
    there are several a row, are the panels. decoder: see `_sparse_vector.DECODERS`.
    """

    shape: tuple[int, int]
    panel: int
    stripe: int
    heads: NDArray[np.int64]
    entries: NDArray[np.int64]
    rows: NDArray[np.uint16]
    counts: NDArray[np.uint8]
    indices: NDArray[np.uint8]
    values: NDArray[Any]
    table: Floats
    first: NDArray[np.int32]
    scale: Floats
    decoder: tuple[int, ...]

    @classmethod
    def of(cls, survivors: Survivors, stripe: int = STRIPE) -> PanelCsr:
        """Raises ValueError where scale groups are wider than 128 columns (`sparse_csr.RowCsr` takes those), and for
        stripes of less than 1 or more than 65536 rows.
        """
        if not 1 <= stripe <= 2**16:
            raise ValueError(f"A stripe has 1 to {2**16} rows, not {stripe}.")
        rows, columns = survivors.shape
        levels = survivors.levels
        panel = PANEL if levels is None or levels.groups == 1 else levels.group
        if panel > PANEL:
            raise ValueError(f"Scale groups of {panel} columns are wider than a panel of {PANEL}.")
        panels, stripes = -(-columns // panel), -(-rows // stripe)
        found = np.zeros((panels, rows), np.int64)
        if survivors.positions.size:
            _count(survivors.positions, columns, panel, found)
        order = np.empty((panels, rows), np.int64)
        for row in range(0, rows, stripe):
            part = found[:, row : row + stripe]
            order[:, row : row + stripe] = np.argsort(part, axis=1, kind="stable") + row
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
            stripe,
            _starts(listed, stripes, stripe),
            _starts(sorted_counts, stripes, stripe),
            (order % stripe)[listed].astype(np.uint16),
            sorted_counts[listed].astype(np.uint8),
            indices,
            values,
            *survivors.look_up(),
            survivors.decoder,
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
        if not y.size:
            return y
        stripes = -(-self.shape[0] // self.stripe)
        arguments = (self.arrays(), self.panel, self.stripe, self.shape[1], bias, flat, y.reshape(-1))
        if column_count(x) == 1:
            _threads.split(_column, stripes, threads, *arguments)
            return y
        for left, count, width in tiles(x.shape[1]):
            _threads.split(_columns, count * stripes, threads, *arguments, x.shape[1], left, self.ways(width))
        return y

    def ways(self, width: tuple[int, ...]) -> tuple[Any, ...]:
        """What `add_rows` takes last: the tile's width, how values are scaled and looked up, and `SELECTORS`.

        Scaling is the length of a tuple less one: 0 not at all, 1 by a number a row, 2 by one a row and panel.
        """
        per_panel = self.scale.size > self.shape[0]
        scaling = (0,) if self.values.dtype == np.float32 else (0,) * (3 if per_panel else 2)
        return width, scaling, self.decoder, SELECTORS

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernels read, in their order."""
        return (
            *(self.heads, self.entries, self.rows, self.counts, self.indices, self.values),
            *(self.table, self.first, self.scale),
        )


def _starts(counts: NDArray[Any], stripes: int, stripe: int) -> NDArray[np.int64]:
    """Running total of `counts` [panels, rows] over (panel, stripe) pairs, from 0 on."""
    bounds = np.arange(stripes) * stripe
    totals = (
        np.add.reduceat(counts.astype(np.int64), bounds, axis=1) if stripes and counts.size else np.zeros(0, np.int64)
    )
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
def _columns(matrix, panel, stripe_rows, inputs, bias, x, y, columns, left, ways, start, stop):  # type: ignore[no-untyped-def]
    """Units start..stop of (tile, stripe) pairs, tiles outside, the first tile beginning at column `left`."""
    width, scaling = ways[0], ways[1]
    lanes = lanes_of(width)
    stripes = -(-bias.size // stripe_rows)
    in_place = columns == lanes  # the tile is all there is
    x_in_place = in_place and x.ctypes.data & 63 == 0
    tile_x = x if x_in_place else scratch(panel * lanes)
    tile_y = y if in_place else scratch(min(stripe_rows * min(stop - start, stripes), bias.size) * lanes)
    for tile in range(start // stripes, -(-stop // stripes)):
        low, high = max(start - tile * stripes, 0), min(stop - tile * stripes, stripes)
        first_row, last_row = low * stripe_rows, min(high * stripe_rows, bias.size)
        shift = 0 if in_place else first_row  # row r of the tile is row r + shift of the matrix
        column = left + tile * lanes
        for row in range(first_row, last_row):
            initial = item(bias, row) if scaling_of(scaling) == 0 else np.float32(0)
            store(tile_y, (row - shift) * lanes, splat(initial, lanes))
        for number in range(-(-inputs // panel)):
            if not x_in_place:
                fill(tile_x, x, columns, column, number * panel, min(inputs, (number + 1) * panel), width)
            x_0 = number * panel if x_in_place else 0
            for stripe in range(low, high):
                pair = number * stripes + stripe
                add_rows(matrix, pair, stripe * stripe_rows, number, bias.size, tile_x, x_0, tile_y, shift, ways)
        finish(tile_y, first_row, last_row, shift, matrix[8], bias, y, columns, column, width, scaling)


@jit(fast_math=True)
def add_rows(matrix, pair, row_0, number, height, x, x_0, y, shift, ways):  # type: ignore[no-untyped-def]
    """Add the product of a (panel, stripe) pair and `x` to `y`.

    x: [.., lanes], the panel's columns from row x_0 on. y: [.., lanes], row r of the matrix in row r − shift. row_0:
    first row of the stripe; number: of the panel; height: rows of the matrix. matrix, ways: see `PanelCsr`.
    """
    heads, entries, rows, counts, indices, values, table, first, scale = matrix
    width, scaling, decoder, selectors = ways
    at = entries[pair]
    lanes = lanes_of(width)
    x_0 *= lanes
    s, t, u, v = load(selectors, 0, 16), load(selectors, 16, 16), load(selectors, 32, 16), load(selectors, 48, 16)
    ss, tt, uu, vv = load(selectors, 64, 16), load(selectors, 80, 16), load(selectors, 96, 16), load(selectors, 112, 16)
    groups = scale.size // height
    for listed in range(heads[pair], heads[pair + 1]):
        row = row_0 + item(rows, listed)
        to = (row - shift) * lanes
        which = row
        odd = splat(np.float32(0), lanes)
        even = odd
        if scaling_of(scaling) == 2:
            which = row * groups + number
        else:
            even = load(y, to, lanes)
        begin = item(first, which)
        count = item(counts, listed)
        for _ in range(count >> 3):
            word = word_at(indices, at)
            eight = take(values, table, at, begin, decoder)
            w = taken(values, table, at, begin, decoder, eight, s, lanes)
            even = fma(w, load(x, x_0 + (word & 255) * lanes, lanes), even)
            w = taken(values, table, at + 1, begin, decoder, eight, t, lanes)
            odd = fma(w, load(x, x_0 + ((word >> 8) & 255) * lanes, lanes), odd)
            w = taken(values, table, at + 2, begin, decoder, eight, u, lanes)
            even = fma(w, load(x, x_0 + ((word >> 16) & 255) * lanes, lanes), even)
            w = taken(values, table, at + 3, begin, decoder, eight, v, lanes)
            odd = fma(w, load(x, x_0 + ((word >> 24) & 255) * lanes, lanes), odd)
            w = taken(values, table, at + 4, begin, decoder, eight, ss, lanes)
            even = fma(w, load(x, x_0 + ((word >> 32) & 255) * lanes, lanes), even)
            w = taken(values, table, at + 5, begin, decoder, eight, tt, lanes)
            odd = fma(w, load(x, x_0 + ((word >> 40) & 255) * lanes, lanes), odd)
            w = taken(values, table, at + 6, begin, decoder, eight, uu, lanes)
            even = fma(w, load(x, x_0 + ((word >> 48) & 255) * lanes, lanes), even)
            w = taken(values, table, at + 7, begin, decoder, eight, vv, lanes)
            odd = fma(w, load(x, x_0 + ((word >> 56) & 255) * lanes, lanes), odd)
            at += 8
        for _ in range((count & 7) >> 1):
            even = fma(weight(values, table, at, begin, lanes), load(x, x_0 + item(indices, at) * lanes, lanes), even)
            at += 1
            odd = fma(weight(values, table, at, begin, lanes), load(x, x_0 + item(indices, at) * lanes, lanes), odd)
            at += 1
        if count & 1:
            even = fma(weight(values, table, at, begin, lanes), load(x, x_0 + item(indices, at) * lanes, lanes), even)
            at += 1
        total = even + odd
        if scaling_of(scaling) == 2:
            total = fma(splat(item(scale, which), lanes), total, load(y, to, lanes))
        store(y, to, total)


@jit(fast_math=True)
def finish(tile, start, stop, shift, scale, bias, y, columns, column, width, scaling):  # type: ignore[no-untyped-def]
    """Rows start..stop of a tile to their place in `y`, with the bias and scale that they do not have yet."""
    lanes = lanes_of(width)
    kept = min(lanes, columns - column)
    if scaling_of(scaling) == 0 and columns == lanes:
        return
    for row in range(start, stop):
        total = load(tile, (row - shift) * lanes, lanes)
        if scaling_of(scaling) > 0:
            factor = item(scale, row) if scaling_of(scaling) == 1 else np.float32(1)
            total = fma(total, splat(factor, lanes), splat(item(bias, row), lanes))
        if kept == lanes:
            store(y, row * columns + column, total)
        else:
            store_some(y, row * columns + column, total, kept)


@jit(fast_math=True)
def _column(matrix, panel, stripe_rows, inputs, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Stripes start..stop of a single column."""
    heads, entries, rows, counts, indices, values, table, first, scale = matrix
    stripes = -(-bias.size // stripe_rows)
    groups = scale.size // bias.size
    for row in range(start * stripe_rows, min(stop * stripe_rows, bias.size)):
        y[row] = bias[row]
    for number in range(-(-inputs // panel)):
        for stripe in range(start, stop):
            pair = number * stripes + stripe
            at = entries[pair]
            for listed in range(heads[pair], heads[pair + 1]):
                row = stripe * stripe_rows + item(rows, listed)
                which = row * groups + (number if groups > 1 else 0)
                begin = item(first, which)
                total = np.float32(0)
                end = at + item(counts, listed)
                for i in range(at, end):
                    total += value(values, table, i, begin) * item(x, number * panel + item(indices, i))
                at = end
                y[row] += scale[which] * total
