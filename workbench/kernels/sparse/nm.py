"""N:M sparse × dense: at most N survivors in every M neighbours of a row, each by its place among the M."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.survivors import Floats, Survivors
from workbench.kernels.sparse.tiles import PAIRED, column_count, fill, operands, tiles, total_bytes
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned_zeros
from workbench.kernels.vector.lookups import (
    counting,
    item,
    lanes_of,
    scaling_of,
    store_some,
)
from workbench.kernels.vector.registers import fma, lane_sum, load, splat, spread, store, view
from workbench.kernels.vector.selection import LANES, SELECTS, selected, where_negative
from workbench.kernels.vector.stretches import clear, scratch

_CHUNK = 16  # survivors whose places share one 64-bit word
_WORDS = LANES // 2  # of 64 bits in a register
_PANEL = 128  # columns: their part of the dense operand stays in L1


@dataclass(frozen=True, eq=False)
class NmSparse:
    """A matrix [rows, inputs] whose rows are runs of `m` columns with `n` slots each, n a power of two.

    A row has `chunks` chunks of 16 slots, unused ones a zero. values: float32 [rows · chunks · 16].
    places: int64 [rows · chunks], four bits a slot, its column within the run: even slots in the low half, odd ones in
    the high half.
    """

    shape: tuple[int, int]
    n: int
    m: int
    values: Floats
    places: NDArray[np.int64]

    @classmethod
    def of(cls, survivors: Survivors, n: int, m: int) -> NmSparse:
        """Raises ValueError unless 1 ≤ n < m, m in 2, 4, 8, 16, and for a run of m that holds more than n survivors."""
        if m not in (2, 4, 8, 16) or not 1 <= n < m:
            raise ValueError(f"N:M sparsity has M of 2, 4, 8 or 16 and N from 1 to M − 1, not {n}:{m}.")
        rows, columns = survivors.shape
        slots = 1 << (n - 1).bit_length()
        row, column = np.divmod(survivors.positions, max(columns, 1))
        runs = -(-columns // m)
        run = row * runs + column // m
        starts = np.searchsorted(run, run)  # of each survivor's run
        slot = np.arange(run.size) - starts
        if slot.size and slot.max() >= n:
            raise ValueError(f"A run of {m} weights holds {int(slot.max()) + 1} survivors, more than {n}.")
        chunks = -(-runs * slots // _CHUNK)
        at = row * chunks * _CHUNK + column // m * slots + slot
        values = survivors.filled(rows * chunks * _CHUNK, at)
        places = np.zeros(rows * chunks * _CHUNK, np.uint64)
        places[at] = column % m
        slots_of = np.arange(_CHUNK, dtype=np.uint64)
        shifts = slots_of // np.uint64(2) * np.uint64(4) + slots_of % np.uint64(2) * np.uint64(32)
        words = np.bitwise_or.reduce(places.reshape(-1, _CHUNK) << shifts, axis=1).view(np.int64)
        return cls(survivors.shape, slots, m, values, words)

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
        rows, inputs = self.shape
        arrays = (self.values, self.places)
        # Unused slots read columns that do not exist, up to the end of their chunk.
        whole = self.places.size // rows * _CHUNK // self.n * self.m
        if column_count(x) == 1:
            padded = aligned_zeros(whole + 2 * _CHUNK, np.float32)
            padded[:inputs] = flat
            column = _column_selected if SELECTS else _column
            split(column, rows, threads, *arrays, self.n, self.m, bias, padded, y.reshape(-1))
            return y
        slots = (0,) * (1 + (self.n - 1).bit_length())
        for run in tiles(x.shape[1]):
            arguments = (*arrays, self.m, inputs, bias, flat, y.reshape(-1), x.shape[1], *run, slots)
            split(_columns, rows, threads, *arguments)
        return y


@jit(fast_math=True)
def _columns(  # type: ignore[no-untyped-def]
    values, places, m, inputs, bias, x, y, columns, left, count, width, slots, start, stop
):
    """Rows start..stop of `count` tiles of columns from `left` on. slots: of a run, 2^(length − 1)."""
    lanes = lanes_of(width)
    log_n = scaling_of(slots)
    chunks = places.size // bias.size
    per_chunk = (_CHUNK >> log_n) * m  # columns
    panel = max(_PANEL // per_chunk, 1)  # chunks
    tile_x = scratch(panel * per_chunk * lanes, np.float32)
    tile_y = scratch((stop - start) * lanes, np.float32)
    for tile in range(count):
        column = left + tile * lanes
        kept = min(lanes, columns - column)
        clear(tile_y, 0, tile_y.size)
        for chunk in range(0, chunks, panel):
            k = chunk * per_chunk
            present = max(min(inputs - k, panel * per_chunk), 0)
            fill(tile_x, x, columns, column, k, k + present, width)
            clear(tile_x, present * lanes, tile_x.size)
            for row in range(start, stop):
                to = (row - start) * lanes
                even = load(tile_y, to, lanes)
                odd = splat(np.float32(0), lanes)
                for part in range(min(panel, chunks - chunk)):
                    at = row * chunks + chunk + part
                    word = item(places, at)
                    at *= _CHUNK
                    base = part * per_chunk
                    for slot in range(0, _CHUNK, 2):
                        near = base + m * (slot >> log_n) + (word & 15)
                        even = fma(spread(values, at + slot, lanes), load(tile_x, near * lanes, lanes), even)
                        far = base + m * ((slot + 1) >> log_n) + ((word >> 32) & 15)
                        w, v = spread(values, at + slot + 1, lanes), load(tile_x, far * lanes, lanes)
                        if lanes <= PAIRED:
                            odd = fma(w, v, odd)
                        else:
                            even = fma(w, v, even)
                        word >>= 4
                store(tile_y, to, even + odd)
        for row in range(start, stop):
            total = load(tile_y, (row - start) * lanes, lanes) + splat(item(bias, row), lanes)
            if kept == lanes:
                store(y, row * columns + column, total)
            else:
                store_some(y, row * columns + column, total, kept)


@jit(fast_math=True)
def _column(values, places, n, m, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of a single column, any n and m."""
    chunks = places.size // bias.size
    for row in range(start, stop):
        total = np.float32(0)
        for chunk in range(chunks):
            at = row * chunks + chunk
            word = item(places, at)
            for slot in range(_CHUNK):
                run = (chunk * _CHUNK + slot) // n
                place = (word >> (4 * (slot >> 1) + 32 * (slot & 1))) & 15
                total += item(values, at * _CHUNK + slot) * item(x, run * m + place)
        y[row] = total + bias[row]


@jit(fast_math=True)
def _column_selected(values, places, n, m, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of a single column, a register's slots at once: all that they choose among is in registers."""
    chunks = places.size // bias.size
    base, shift = counting(m, n, LANES), counting(4, 2, LANES)
    span = m * max(LANES // n, 1)  # columns that so many slots choose among
    for row in range(start, stop):
        even = splat(np.float32(0), LANES)
        odd = even
        for chunk in range(chunks):
            at = row * chunks + chunk
            word = view(splat(item(places, at), _WORDS), np.int32) >> shift
            for part in range(_CHUNK // LANES):
                slot = part * LANES
                column = (chunk * _CHUNK + slot) // n * m
                number = (word & 15) + base
                window = max(span - 2 * LANES, 0)
                found = selected(load(x, column + window, LANES), load(x, column + window + LANES, LANES), number)
                while window > 0:
                    window -= 2 * LANES
                    low, high = load(x, column + window, LANES), load(x, column + window + LANES, LANES)
                    there = selected(low, high, number)
                    found = where_negative(number - (window + 2 * LANES), there, found)
                even, odd = odd, fma(load(values, at * _CHUNK + slot, LANES), found, even)
                word >>= 2 * LANES
        y[row] = lane_sum(even + odd) + bias[row]
