"""Block-sparse × dense: blocks of R neighbouring outputs × 1 input share one index and survive or vanish together."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import register_file
from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.survivors import Floats, Survivors
from workbench.kernels.sparse.tiles import column_count, operands, tiles, total_bytes, whole_tile
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.lookups import item, lanes_of, load_some, store_some
from workbench.kernels.vector.registers import fma, load, prefetch, splat, spread, store

HEIGHTS = (8, 16)
# Columns worked on at once: the sums of four rows take half of the registers, and a weight is read for several of them.
_WIDEST = register_file().floats * register_file().count // 8

_AHEAD = 1024  # weights: fetched into the cache this long before they are used


@dataclass(frozen=True, eq=False)
class BlockSparse:
    """A matrix [rows, inputs] in blocks of `height` rows × 1 column; the last block row is filled up with zeros.

    starts: int32 [block rows + 1], first block of each block row. indices: column of each block, uint16 where columns
    fit, else uint32. values: float32 [blocks · height].
    """

    shape: tuple[int, int]
    height: int
    starts: NDArray[np.int32]
    indices: NDArray[Any]
    values: Floats

    @classmethod
    def of(cls, survivors: Survivors, height: int = 8) -> BlockSparse:
        """A block is kept where one weight in it survives.

        Raises ValueError for a height other than 8 or 16.
        """
        if height not in HEIGHTS:
            raise ValueError(f"Blocks are {HEIGHTS[0]} or {HEIGHTS[1]} rows high, not {height}.")
        rows, columns = survivors.shape
        block_rows = -(-rows // height)
        row, column = np.divmod(survivors.positions, max(columns, 1))
        blocks, of_survivor = np.unique(row // height * columns + column, return_inverse=True)
        block_row = blocks // max(columns, 1)
        starts = np.searchsorted(block_row, np.arange(block_rows + 1)).astype(np.int32)
        return cls(
            survivors.shape,
            height,
            starts,
            (blocks % max(columns, 1)).astype(np.uint16 if columns <= 2**16 else np.uint32),
            survivors.filled(blocks.size * height, of_survivor * height + row % height),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the product reads."""
        return total_bytes(astuple(self))

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """W @ x (+ bias), float32 [rows, columns] for x [inputs, columns], [rows] for x [inputs].

        As in a dense product, a zero in a block times NaN or infinity is NaN.
        Raises ValueError where x or the bias is of another type or shape.
        """
        flat, bias, y = operands(self.shape, x, bias)
        if not y.size:
            return y
        arrays = (self.starts, self.indices, self.values)
        width, block_rows = (0,) * (self.height // 8), self.starts.size - 1
        if column_count(x) == 1:
            split(_column, block_rows, threads, *arrays, bias, flat, y.reshape(-1), width)
            return y
        for run in tiles(x.shape[1], _WIDEST):
            arguments = (*arrays, bias, flat, y.reshape(-1), x.shape[1], self.height, *run)
            split(_columns, block_rows, threads, *arguments)
        return y


@jit(fast_math=True)
def _columns(  # type: ignore[no-untyped-def]
    starts, indices, values, bias, x, y, columns, height, at, count, width, start, stop
):
    """Block rows start..stop of `count` tiles of columns from `at` on; the sums of four rows stay in registers."""
    lanes = lanes_of(width)
    for _ in range(count):
        tile = whole_tile(x, columns, at, width)
        kept = min(lanes, columns - at)
        for row in range(start * height, min(stop * height, bias.size), 4):
            begin, end = item(starts, row // height), item(starts, row // height + 1)
            a = splat(np.float32(0), lanes)
            b, c, d = a, a, a
            inside = row % height
            for block in range(begin, end):
                prefetch(values, block * height + _AHEAD)
                v = load(tile, item(indices, block) * lanes, lanes)
                w = block * height + inside
                a = fma(spread(values, w, lanes), v, a)
                b = fma(spread(values, w + 1, lanes), v, b)
                c = fma(spread(values, w + 2, lanes), v, c)
                d = fma(spread(values, w + 3, lanes), v, d)
            for i, total in enumerate((a, b, c, d)):
                if row + i < bias.size:
                    whole = total + splat(item(bias, row + i), lanes)
                    if kept == lanes:
                        store(y, (row + i) * columns + at, whole)
                    else:
                        store_some(y, (row + i) * columns + at, whole, kept)
        at += lanes


@jit(fast_math=True)
def _column(starts, indices, values, bias, x, y, width, start, stop):  # type: ignore[no-untyped-def]
    """Block rows start..stop of a single column; a lane is an output."""
    lanes = lanes_of(width)
    for block_row in range(start, stop):
        row = block_row * lanes
        a = splat(np.float32(0), lanes)
        b, c, d = a, a, a
        begin, end = item(starts, block_row), item(starts, block_row + 1)
        for at in range(begin, end - 3, 4):
            w = at * lanes
            a = fma(load(values, w, lanes), spread(x, item(indices, at), lanes), a)
            w += lanes
            b = fma(load(values, w, lanes), spread(x, item(indices, at + 1), lanes), b)
            w += lanes
            c = fma(load(values, w, lanes), spread(x, item(indices, at + 2), lanes), c)
            w += lanes
            d = fma(load(values, w, lanes), spread(x, item(indices, at + 3), lanes), d)
        for at in range(end - (end - begin) % 4, end):
            a = fma(load(values, at * lanes, lanes), spread(x, item(indices, at), lanes), a)
        kept = min(lanes, bias.size - row)
        total = (a + b) + (c + d) + load_some(bias, row, kept, lanes)
        store_some(y, row, total, kept)
