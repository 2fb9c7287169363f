"""Sparse × dense straight from the encoded bytes: packed gaps or a bitmap, and packed codes or float32 values.

A block of rows at a time is decoded into scratch that stays in L1, and multiplied from there: once for a single vector,
where decoding is a small part of the work, and once for each run of columns else. What is held is what the encoding
stores, and two numbers for every few thousand entries that say where a block of rows begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.lowbit.bitpack import pack, packed_size
from workbench.kernels.sparse.batch import batch, widest
from workbench.kernels.sparse.decode import (
    BLOCK,
    COLUMNS,
    ROWS,
    WIDTH,
    block_room,
    decode,
    decode_values,
    eight_bytes,
    row_scales,
    whole_table,
)
from workbench.kernels.sparse.gaps import WIDTHS, count_entries, entries
from workbench.kernels.sparse.survivors import Survivors
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.lookups import bit_count, item, load_some
from workbench.kernels.vector.registers import fma, lane_sum, load, prefetch, splat, store
from workbench.kernels.vector.selection import LANES, SELECTS, expanded
from workbench.kernels.vector.stretches import clear, copy, scratch

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

EVERY, BITMAP = 0, 1  # a stream's `width`, where it is not that of a gap
_BLOCK = 4096  # entries of a block, about: 32 KiB of scratch
_AHEAD = 512  # survivors: the addresses of the next ones are known too late for the processor to fetch them by itself
_FEW = 4  # vectors that are multiplied one by one
_NO_FLOATS, _NO_BYTES, _ONE = np.zeros(0, np.float32), np.zeros(8, np.uint8), np.ones(1, np.float32)


@dataclass(frozen=True, eq=False)
class Listed:
    """Values of entries, one after another: `floats` [n] themselves, or else codes of `bits` bits, packed.

    A code is scale · table[code] where there is a table, else scale · (code − point). scale: float32, one, one a row,
    or one for each run of `group` columns of a row. point: of all entries; points: uint8 or float32, one for each
    scale, where they differ.
    """

    floats: Floats = field(default_factory=lambda: _NO_FLOATS)
    codes: Bytes = field(default_factory=lambda: _NO_BYTES)
    bits: int = 0
    table: Floats = field(default_factory=lambda: _NO_FLOATS)
    scale: Floats = field(default_factory=lambda: _ONE)
    point: float = 0.0
    points: NDArray[Any] = field(default_factory=lambda: _NO_BYTES[:0])
    group: int = 0


@dataclass(frozen=True, eq=False)
class SparseStream:
    """A matrix [rows, columns] as its encoding stores it.

    places: packed gaps of `width` bits (2 to 8), see `gaps`; a bitmap (`BITMAP`); or nothing where every weight is
    listed (`EVERY`). block: rows of a block. marks: int64, for each block and the end the first entry and the position
    before the sixteen entries that this one is among.
    """

    shape: tuple[int, int]
    places: Bytes
    width: int
    listed: Listed
    block: int
    marks: NDArray[np.int64]

    @classmethod
    def of(
        cls, shape: tuple[int, int], places: Bytes, width: int, positions: NDArray[np.int64] | None, listed: Listed
    ) -> SparseStream:
        """positions: int64 [n], where the entries stand in the flattened matrix; None for every weight.

        The bytes are held as they are, without a copy, where they are writable and eight or more.
        """
        rows, columns = shape
        count = rows * columns if positions is None else positions.size
        wanted = max(rows * _BLOCK // max(count, 1), 1)
        block = min(max(wanted, 1), max(rows, 1), max(2**30 // max(columns, 1), 1))
        starts = np.minimum(np.arange(-(-rows // block) + 1) * block, rows) * columns
        first = starts if positions is None else np.searchsorted(positions, starts)
        whole = first & -16
        before = whole - 1 if positions is None else np.where(whole > 0, positions[whole - 1] if count else 0, -1)
        marks = np.ascontiguousarray(np.stack((first, before), axis=1), np.int64).reshape(-1)
        held = Listed(
            _own(listed.floats),
            _readable(listed.codes),
            listed.bits,
            _own(listed.table),
            _own(listed.scale),
            listed.point,
            _own(listed.points),
            listed.group,
        )
        return cls(shape, _readable(places), width, held, block, marks)

    @classmethod
    def of_survivors(cls, survivors: Survivors) -> SparseStream:
        """As gaps or a bitmap, whichever takes fewer bytes."""
        rows, columns = survivors.shape
        dense = np.zeros(rows * columns, np.float32)
        dense[survivors.positions] = survivors.values
        found, fillers = count_entries(dense)
        pairs = zip(WIDTHS, fillers.tolist(), strict=True)
        taken = [packed_size(found + more, width) + 4 * more for width, more in pairs]
        width = WIDTHS[int(np.argmin(taken))]
        if packed_size(dense.size, 1) <= min(taken):
            bits = np.packbits(dense != 0, bitorder="little")
            return cls.of(survivors.shape, bits, BITMAP, survivors.positions, Listed(survivors.values))
        gaps, positions = entries(dense, width)
        return cls.of(survivors.shape, pack(gaps, width), width, positions, Listed(dense[positions]))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the product reads."""
        one = self.listed
        arrays = (self.places, self.marks, one.floats, one.codes, one.table, one.scale, one.points)
        return sum(array.nbytes for array in arrays if array is not _NO_BYTES and array is not _ONE)

    @cached_property
    def arrays(self) -> tuple[Any, ...]:
        """What the kernels read, in their order."""
        one, (rows, columns) = self.listed, self.shape
        groups = -(-columns // one.group) if one.group else 1
        count = int(self.marks[-2])
        facts = (rows, columns, self.width, one.bits, count, self.block, groups, one.group or max(columns, 1))
        numbers = (np.array(facts, np.int64), np.float32(one.point))
        return self.places, one.codes, one.floats, one.table, one.scale, one.points, self.marks, *numbers

    @cached_property
    def blocks(self) -> int:
        return self.marks.size // 2 - 1

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, columns] to [batch, rows].

        As in a dense product, a zero times NaN or infinity may be NaN. Raises ValueError where x or the bias is of
        another type or shape.
        """
        rows, columns = self.shape
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != columns:
            raise ValueError(f"The dense operand is float32 [batch, {columns}], not {x.dtype} {list(x.shape)}.")
        if bias is None:
            bias = _NO_FLOATS
        elif bias.dtype != np.float32 or bias.shape != (rows,):
            raise ValueError(f"A bias for {rows} rows is float32 [{rows}], not {bias.dtype} {list(bias.shape)}.")
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        y = np.empty((x.shape[0], rows), np.float32)
        if not y.size:
            return y
        if x.shape[0] == 1 and threads == 1:  # in a few microseconds, of which `split` would take its share
            _vectors(self.arrays, bias, x, y, 0, self.blocks)
        elif x.shape[0] <= _FEW:
            split(_vectors, self.blocks, threads, self.arrays, bias, x, y)
        else:
            lanes = widest(x.shape[0])
            units = self.blocks * -(-x.shape[0] // lanes)
            split(batch, units, threads, self.arrays, bias, x, y, (0,) * (lanes // 8))
        return y


def _own(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself where compiled code takes it as it is: one that cannot be written would be compiled for anew."""
    return np.require(array, requirements=("C", "A", "W"))


def _readable(packed: Bytes) -> Bytes:
    """Eight bytes or more, to be read eight at a time."""
    if packed.size >= 8:
        return _own(packed)
    return _NO_BYTES if not packed.size else np.concatenate((packed, np.zeros(8 - packed.size, np.uint8)))


@jit(fast_math=True)
def _vectors(stream, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Blocks start..stop of one vector after another."""
    facts = stream[7]
    rows, columns = facts[ROWS], facts[COLUMNS]
    room = block_room(stream, start, stop)
    table, scales = whole_table(stream), row_scales(stream)
    places, room_for_values = scratch(room, np.int32), scratch(room, np.float32)
    ends = scratch(facts[BLOCK] + 1, np.int64)
    expands = SELECTS and facts[WIDTH] == BITMAP and scales.size == stream[4].size and stream[5].size == 0
    padded = scratch(columns + 64 if expands else 0, np.float32)
    for block in range(start, stop):
        row_0 = block * facts[BLOCK]
        height = min(facts[BLOCK], rows - row_0)
        if expands:
            values, shift = decode_values(stream, table, block, 1, room_for_values)
        else:
            values, shift = decode(stream, table, block, 1, places, room_for_values, ends)
        for vector in range(x.shape[0]):
            to = vector * rows + row_0
            if expands:
                copy(x, vector * columns, columns, padded, 0)
                clear(padded, columns, padded.size)
                at = (stream[6][2 * block] & 15) + shift
                _by_mask(stream[0], row_0 * columns, columns, values, at, padded, height, y, to)
            else:
                _by_place(values, shift, places, ends, columns, x, vector * columns, height, y, to)
            for row in range(height):
                total = item(y, to + row) * item(scales, row_0 + row if scales.size > 1 else 0)
                y[vector, row_0 + row] = total + item(bias, row_0 + row) if bias.size else total


@jit(fast_math=True)
def _by_place(values, shift, places, ends, columns, x, x_0, height, y, to):  # type: ignore[no-untyped-def]
    """Sums of `height` rows to `y` from `to` on."""
    for row in range(height):
        store(y, to + row, splat(_sum(values, shift, places, ends[row], ends[row + 1], x, x_0), 1))
        x_0 -= columns


@jit(fast_math=True)
def _sum(values, shift, places, at, end, x, x_0):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(at, end):
        total += item(values, i + shift) * item(x, x_0 + item(places, i))
    return total


@jit(fast_math=True)
def _by_mask(masks, bit, columns, values, at, x, height, y, to):  # type: ignore[no-untyped-def]
    """The same for rows of a bitmap that begin at `bit` and with value number `at`. x: one vector, and 64 zeros."""
    last = values.size - 64  # from here on, vectors would be read past the last value
    one, two, three = (1 << LANES) - 1, (1 << 2 * LANES) - 1, (1 << 3 * LANES) - 1
    for row in range(height):
        a = splat(np.float32(0), LANES)
        b, c, d = a, a, a
        shift = bit & 7
        for column in range(0, columns, 64):
            byte = (bit + column) >> 3
            word = (eight_bytes(masks, byte) >> shift) & ((1 << (64 - shift)) - 1 if shift else -1)
            word |= (eight_bytes(masks, byte + 8) << (63 - shift)) << 1
            word &= (1 << (columns - column)) - 1 if columns - column < 64 else -1
            if at <= last:
                prefetch(values, at + _AHEAD)
                prefetch(masks, byte + _AHEAD // 8)
            for k in range(column, column + 64, 4 * LANES):
                at_1, at_2, at_3 = at + bit_count(word & one), at + bit_count(word & two), at + bit_count(word & three)
                if at <= last:
                    v, w = load(values, at, LANES), load(values, at_1, LANES)
                    p, q = load(values, at_2, LANES), load(values, at_3, LANES)
                else:
                    v, w = _up_to_end(values, at), _up_to_end(values, at_1)
                    p, q = _up_to_end(values, at_2), _up_to_end(values, at_3)
                a = fma(expanded(v, word), load(x, k, LANES), a)
                b = fma(expanded(w, word >> LANES), load(x, k + LANES, LANES), b)
                c = fma(expanded(p, word >> 2 * LANES), load(x, k + 2 * LANES, LANES), c)
                d = fma(expanded(q, word >> 3 * LANES), load(x, k + 3 * LANES, LANES), d)
                at = at_3 + bit_count((word >> 3 * LANES) & one)
                if LANES < 16:
                    word >>= 32
        store(y, to + row, splat(lane_sum((a + b) + (c + d)), 1))
        bit += columns


@jit
def _up_to_end(values, at):  # type: ignore[no-untyped-def]
    return load_some(values, at, min(LANES, values.size - at), LANES)
