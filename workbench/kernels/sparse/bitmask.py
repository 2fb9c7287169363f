"""Bitmask sparse × dense: one bit a weight says whether it survives; the survivors follow one another.

Smaller than indices down to one survivor in sixteen, and for a single column faster while many survive.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.survivors import Floats, Survivors, zero_codes
from workbench.kernels.sparse.tiles import column_count, operands, tiles, total_bytes, whole_tile
from workbench.kernels.threads import shares as _threads
from workbench.kernels.vector.aligned import aligned, aligned_zeros
from workbench.kernels.vector.lookups import (
    bit_count,
    expand_codes,
    expanded,
    item,
    lanes_of,
    look_up,
    store_some,
    trailing_zeros,
    value,
    weight,
)
from workbench.kernels.vector.registers import fma, lane_sum, load, prefetch, splat, store, view

_WORD = 64  # weights whose bits share one word
_AHEAD = 512  # survivors: the addresses of the next ones are known too late for the processor to fetch them by itself
_EXPANDS = wide()  # a vector of survivors is spread over its mask by one instruction
_EXPANDS_CODES = wide() and has("avx512vbmi2")


@dataclass(frozen=True, eq=False)
class Bitmask:
    """A matrix [rows, inputs], each row as words of 64 bits, the first column in the lowest bit.

    masks: int64 [rows · words]. starts: int32 [rows + 1], first survivor of each row. values: float32, or uint8 codes,
    and 64 that no bit stands for, so that whole vectors can be read. zero: uint8 [rows], a code whose level is zero.
    table, first, scale: see `_survivors.Levels`. decoder: see `_sparse_vector.DECODERS`.
    """

    shape: tuple[int, int]
    masks: NDArray[np.int64]
    starts: NDArray[np.int32]
    values: NDArray[Any]
    zero: NDArray[np.uint8]
    table: Floats
    first: NDArray[np.int32]
    scale: Floats
    decoder: tuple[int, ...]

    @classmethod
    def of(cls, survivors: Survivors) -> Bitmask:
        """Codes are kept where each row has one scale and a code for 0.

        Raises ValueError for 2^31 survivors or more.
        """
        rows, columns = survivors.shape
        count = survivors.positions.size
        if count >= 2**31:
            raise ValueError(f"{count} survivors are too many for 32-bit row starts.")
        zero = None if survivors.levels is None else zero_codes(survivors.levels)
        source = survivors if zero is not None else survivors.as_floats()
        words = -(-columns // _WORD)
        alive = np.zeros((rows, words * _WORD), bool)
        row, column = np.divmod(survivors.positions, max(columns, 1))
        alive[row, column] = True
        values = aligned(count + _WORD, source.values.dtype)
        values[:count], values[count:] = source.values, 0
        return cls(
            survivors.shape,
            np.packbits(alive, axis=1, bitorder="little").reshape(-1).view(np.int64),
            np.concatenate(([0], np.cumsum(survivors.per_row()))).astype(np.int32),
            values,
            np.zeros(rows, np.uint8) if zero is None else zero,
            *source.look_up(),
            source.decoder,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the product reads."""
        return total_bytes(astuple(self))

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """W @ x (+ bias), float32 [rows, columns] for x [inputs, columns], [rows] for x [inputs].

        As in a dense product, a zero times NaN or infinity may be NaN where there is one column.
        Raises ValueError where x or the bias is of another type or shape.
        """
        flat, bias, y = operands(self.shape, x, bias)
        if not y.size:
            return y
        rows, inputs = self.shape
        arrays = (self.masks, self.starts, self.values, self.table, self.first, self.scale)
        if column_count(x) > 1:
            for run in tiles(x.shape[1]):
                arguments = (*arrays, bias, flat, y.reshape(-1), x.shape[1], *run)
                _threads.split(_columns, rows, threads, *arguments)
            return y
        padded = aligned_zeros(-(-inputs // _WORD) * _WORD, np.float32)
        padded[:inputs] = flat
        if self.values.dtype == np.float32 and _EXPANDS:
            _threads.split(_column, rows, threads, *arrays, bias, padded, y.reshape(-1))
        elif self.values.dtype == np.uint8 and _EXPANDS_CODES:
            # Byte j of the four in a 32-bit lane is a code of its own, so the operand is put in that order.
            padded = np.ascontiguousarray(padded.reshape(-1, 16, 4).transpose(0, 2, 1)).reshape(-1)
            last = (self.zero, bias, padded, y.reshape(-1), self.decoder)
            _threads.split(_column_of_codes, rows, threads, *arrays, *last)
        else:
            _threads.split(_column_by_bits, rows, threads, *arrays, bias, padded, y.reshape(-1))
        return y


@jit(fast_math=True)
def _columns(masks, starts, values, table, first, scale, bias, x, y, columns, left, count, width, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of `count` tiles of columns from `left` on. A row's mask is turned into indices first."""
    lanes = lanes_of(width)
    words = masks.size // bias.size
    indices = np.empty(words * _WORD, np.int32)
    column = left
    for _ in range(count):
        tile = whole_tile(x, columns, column, width)
        kept = min(lanes, columns - column)
        for row in range(start, stop):
            number = 0
            for word in range(words):
                mask = item(masks, row * words + word)
                while mask != 0:
                    indices[number] = word * _WORD + trailing_zeros(mask)
                    mask &= mask - 1
                    number += 1
            begin = item(first, row)
            at = item(starts, row)
            even = splat(np.float32(0), lanes)
            odd = even
            for i in range(number >> 1):
                k = item(indices, 2 * i)
                even = fma(weight(values, table, at, begin, lanes), load(tile, k * lanes, lanes), even)
                k = item(indices, 2 * i + 1)
                odd = fma(weight(values, table, at + 1, begin, lanes), load(tile, k * lanes, lanes), odd)
                at += 2
            if number & 1:
                k = item(indices, number - 1)
                even = fma(weight(values, table, at, begin, lanes), load(tile, k * lanes, lanes), even)
            total = fma(even + odd, splat(item(scale, row), lanes), splat(item(bias, row), lanes))
            if kept == lanes:
                store(y, row * columns + column, total)
            else:
                store_some(y, row * columns + column, total, kept)
        column += lanes


@jit(fast_math=True)
def _column(masks, starts, values, table, first, scale, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of a single column, float32 survivors. Needs avx512f."""
    words = masks.size // bias.size
    for row in range(start, stop):
        at = item(starts, row)
        a = splat(np.float32(0), 16)
        b, c, d = a, a, a
        for word in range(words):
            mask = item(masks, row * words + word)
            k = word * _WORD
            prefetch(values, at + _AHEAD)
            prefetch(masks, row * words + word + _AHEAD // 8)
            at_1 = at + bit_count(mask & 0xFFFF)
            at_2 = at + bit_count(mask & 0xFFFFFFFF)
            at_3 = at + bit_count(mask & 0xFFFFFFFFFFFF)
            a = fma(expanded(load(values, at, 16), mask), load(x, k, 16), a)
            b = fma(expanded(load(values, at_1, 16), mask >> 16), load(x, k + 16, 16), b)
            c = fma(expanded(load(values, at_2, 16), mask >> 32), load(x, k + 32, 16), c)
            d = fma(expanded(load(values, at_3, 16), mask >> 48), load(x, k + 48, 16), d)
            at += bit_count(mask)
        y[row] = lane_sum((a + b) + (c + d)) * scale[row] + bias[row]


@jit(fast_math=True)
def _column_of_codes(masks, starts, values, table, first, scale, zero, bias, x, y, decoder, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of a single column, codes. Needs avx512vbmi2."""
    words = masks.size // bias.size
    for row in range(start, stop):
        at = item(starts, row)
        begin = splat(np.int32(item(first, row)), 16)
        level = splat(item(table, item(first, row)), 16)
        none = splat(zero[row], 64)
        a = splat(np.float32(0), 16)
        b, c, d = a, a, a
        for word in range(words):
            mask = item(masks, row * words + word)
            k = word * _WORD
            prefetch(values, at + 4 * _AHEAD)
            prefetch(masks, row * words + word + _AHEAD // 8)
            codes = view(expand_codes(load(values, at, 64), mask, none), np.uint32)
            at += bit_count(mask)
            a = fma(look_up(codes & 255, table, begin, level, decoder), load(x, k, 16), a)
            b = fma(look_up((codes >> 8) & 255, table, begin, level, decoder), load(x, k + 16, 16), b)
            c = fma(look_up((codes >> 16) & 255, table, begin, level, decoder), load(x, k + 32, 16), c)
            d = fma(look_up(codes >> 24, table, begin, level, decoder), load(x, k + 48, 16), d)
        y[row] = lane_sum((a + b) + (c + d)) * scale[row] + bias[row]


@jit(fast_math=True)
def _column_by_bits(masks, starts, values, table, first, scale, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of a single column on any processor."""
    words = masks.size // bias.size
    for row in range(start, stop):
        at = item(starts, row)
        begin = item(first, row)
        total = np.float32(0)
        for word in range(words):
            mask = item(masks, row * words + word)
            while mask != 0:
                total += value(values, table, at, begin) * item(x, word * _WORD + trailing_zeros(mask))
                mask &= mask - 1
                at += 1
        y[row] = total * scale[row] + bias[row]
