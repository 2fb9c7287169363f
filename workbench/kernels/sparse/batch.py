"""A sparse stream times several vectors at once: each vector is a lane, a row's sums stay in registers.

The vectors of a tile are turned to [columns, lanes] once. Some thousand entries are decoded at a time and met with a
panel of columns after the other, each small enough to stay in the first cache; the sums wait in the second meanwhile.
"""

from __future__ import annotations

import numpy as np

from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.decode import BLOCK, COLUMNS, COUNT, ROWS, block_room, decode, row_scales, whole_table
from workbench.kernels.sparse.tiles import PAIRED, WIDEST
from workbench.kernels.vector.lookups import item, lanes_of
from workbench.kernels.vector.registers import fma, load, splat, spread, store
from workbench.kernels.vector.stretches import clear, scratch
from workbench.kernels.vector.transposed import transpose8

_PANEL = 8192  # floats of a panel: a first cache of 32 KiB
_FEWEST = 5  # entries of a row in a panel, on average, from which panels pay for moving its sums
_TOGETHER = 4  # blocks that are decoded at once


def widest(vectors: int) -> int:
    """Lanes of the tiles that so many vectors are cut into."""
    return min(WIDEST, max(8, 1 << (vectors - 1).bit_length()))


@jit(fast_math=True)
def batch(stream, bias, x, y, width, start, stop):  # type: ignore[no-untyped-def]
    """Units start..stop of (vectors, block), a run of vectors outside: y [vectors, rows] of x [vectors, columns]."""
    lanes = lanes_of(width)
    facts = stream[7]
    rows, columns = facts[ROWS], facts[COLUMNS]
    blocks = stream[6].size // 2 - 1
    together = max(1, min(_TOGETHER, 2**30 // (facts[BLOCK] * columns + 1)))
    room = block_room(stream, 0, blocks) * together
    table, scales = whole_table(stream), row_scales(stream)
    places, values = scratch(room, np.int32), scratch(room, np.float32)
    ends = scratch(facts[BLOCK] * together + 1, np.int64)
    tile, sums = scratch(columns * lanes, np.float32), scratch(facts[BLOCK] * together * lanes, np.float32)
    deep = _PANEL // lanes
    if facts[COUNT] * deep < _FEWEST * rows * columns:
        deep = columns
    filled = -1
    unit = start
    while unit < stop:
        number, block = unit // blocks, unit % blocks
        count = min(together, min(blocks - block, stop - unit))
        unit += count
        left = number * lanes
        kept = min(lanes, x.shape[0] - left)
        if number != filled:
            filled = number
            _turn(x, left, kept, columns, tile, width)
        row_0 = block * facts[BLOCK]
        height = min(facts[BLOCK] * count, rows - row_0)
        found, shift = decode(stream, table, block, count, places, values, ends)
        for begin in range(0, max(columns, 1), max(deep, 1)):
            end = min(begin + deep, columns)
            _panel(places, found, shift, ends, height, columns, begin, end, tile, sums, width)
        _finish(sums, row_0, height, scales, bias, width)
        _turn_back(sums, height, kept, lanes, y, left, row_0)


@jit
def _turn(x, left, kept, columns, tile, width):  # type: ignore[no-untyped-def]
    """Vectors left .. left + kept as the lanes of `tile` [columns, lanes]."""
    lanes = lanes_of(width)
    if kept < lanes:
        clear(tile, 0, tile.size)
    flat = x.reshape(-1)
    even, whole = kept & -8, columns & -8
    for vector in range(0, even, 8):
        for column in range(0, whole, 8):
            transpose8(flat, (left + vector) * columns + column, columns, tile, column * lanes + vector, lanes)
        for column in range(whole, columns):
            for one in range(vector, vector + 8):
                tile[column * lanes + one] = x[left + one, column]
    for vector in range(even, kept):
        for column in range(columns):
            tile[column * lanes + vector] = x[left + vector, column]


@jit(fast_math=True)
def _panel(places, values, shift, ends, height, columns, begin, stop, tile, sums, width):  # type: ignore[no-untyped-def]
    """Adds to `sums` [height, lanes] what columns begin..stop give, from where each row stands in `ends` on."""
    lanes = lanes_of(width)
    limit, to, base = stop, 0, 0
    for row in range(height):
        at = item(ends, row)
        even = splat(np.float32(0), lanes)
        if begin:
            even = load(sums, to, lanes)
        if lanes <= PAIRED:
            odd = splat(np.float32(0), lanes)
            while item(places, at + 1) < limit:
                v, w = load(tile, item(places, at) * lanes - base, lanes), spread(values, at + shift, lanes)
                even = fma(w, v, even)
                v, w = load(tile, item(places, at + 1) * lanes - base, lanes), spread(values, at + 1 + shift, lanes)
                odd = fma(w, v, odd)
                at += 2
            even += odd
            if item(places, at) < limit:
                even = fma(spread(values, at + shift, lanes), load(tile, item(places, at) * lanes - base, lanes), even)
                at += 1
        else:
            while item(places, at) < limit:
                even = fma(spread(values, at + shift, lanes), load(tile, item(places, at) * lanes - base, lanes), even)
                at += 1
        store(sums, to, even)
        ends[row] = at
        limit += columns
        base += columns * lanes
        to += lanes


@jit(fast_math=True)
def _finish(sums, row_0, height, scales, bias, width):  # type: ignore[no-untyped-def]
    lanes = lanes_of(width)
    for row in range(height):
        factor = splat(item(scales, row_0 + row if scales.size > 1 else 0), lanes)
        initial = splat(item(bias, row_0 + row) if bias.size else np.float32(0), lanes)
        store(sums, row * lanes, fma(load(sums, row * lanes, lanes), factor, initial))


@jit
def _turn_back(sums, height, kept, lanes, y, left, row_0):  # type: ignore[no-untyped-def]
    """`sums` [height, lanes] as columns row_0 .. of rows left .. of `y`."""
    rows = y.shape[1]
    flat = y.reshape(-1)
    even, whole = kept & -8, height & -8
    for vector in range(0, even, 8):
        to = (left + vector) * rows + row_0
        for row in range(0, whole, 8):
            transpose8(sums, row * lanes + vector, lanes, flat, to + row, rows)
        for one in range(vector, vector + 8):
            for row in range(whole, height):
                y[left + one, row_0 + row] = sums[row * lanes + one]
    for vector in range(even, kept):
        for row in range(height):
            y[left + vector, row_0 + row] = sums[row * lanes + vector]
