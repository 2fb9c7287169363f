"""Uniform quantisation there and back in one pass: every weight becomes the level nearest to it.

level = scale · (code − zero point), code = clip(round(weight / scale + zero point), 0, highest), all in float32 and in
this order, rounding halves to even. A weight that is zero stays zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import LINE, aligned
from workbench.kernels.vector.registers import load, stream
from workbench.kernels.vector.stretches import scratch

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]

_CHUNK = 2048  # weights that are rounded, then written while they are in the first cache
_CACHED = 2**21  # weights, of which the levels are written past the caches if there are more
_NEGATIVE = 2**31  # bits of -0.0, the least of the negative numbers
_SHARE = 2**16  # weights of a tensor that has one scale, taken as one piece of work
_NO_CODES = np.zeros(0, np.uint8)


def ranges(weights: Floats, size: int | None = None, threads: int = 1) -> tuple[Floats, Floats]:
    """Smallest and largest weight of every group, zero among them: min(weights, 0), max(weights, 0), each [groups].

    weights: float32 [rows, columns], in C order. A group is a run of `size` weights in a row, the last run of a row
    being shorter; `size` = columns makes a group of every row, None one of all. Raises ValueError for other weights.
    """
    columns, run, groups, shared = layout(weights, size)
    pieces = -(-weights.size // columns) if shared else groups
    low, high = np.zeros(pieces, np.float32), np.zeros(pieces, np.float32)
    # As integers, positive floats rank by their size and negative ones, unsigned, above them by theirs.
    bits = weights.reshape(-1).view(np.int32)
    split(_ranges, pieces, threads, bits, columns, run, low.view(np.uint32), high.view(np.int32))
    return (low.min(keepdims=True), high.max(keepdims=True)) if shared and pieces else (low, high)


def fake_quantize(
    weights: Floats,
    scale: Floats,
    zero_point: Floats,
    highest: int,
    size: int | None = None,
    codes: Codes | None = None,
    threads: int = 1,
    out: Floats | None = None,
) -> Floats:
    """The levels, float32 [rows, columns].

    scale, zero_point: [groups], groups as in `ranges`. highest: largest code, at most 255. codes: uint8, as many as
    there are weights, filled if given. out: takes the levels if given, 64-byte aligned. Raises ValueError where these
    do not fit each other.
    """
    columns, run, groups, shared = layout(weights, size)
    _check_levels(groups, scale, zero_point, highest)
    levels = aligned(weights.shape, np.float32) if out is None else out
    for name, array, kind in (("levels", levels, np.float32), ("codes", codes, np.uint8)):
        if array is not None and (array.dtype != kind or array.size != weights.size or not array.flags.c_contiguous):
            raise ValueError(
                f"The {name} of {weights.size} weights need an array of as many {kind.__name__} in C order."
            )
    if levels.size and levels.ctypes.data % LINE:
        raise ValueError("The levels need an array that begins on a cache line.")
    pieces = -(-weights.size // columns) if shared else groups
    flat_codes = _NO_CODES if codes is None else codes.reshape(-1)
    arguments = (weights.reshape(-1), columns, run, shared, scale, zero_point, np.float32(highest), flat_codes)
    split(_fake_quantize, pieces, threads, *arguments, levels.reshape(-1))
    return levels


def layout(weights: Floats, size: int | None) -> tuple[int, int, int, bool]:
    """Weights in a row, in a run, number of groups, and whether one scale is shared by all."""
    if weights.dtype != np.float32 or weights.ndim != 2 or not weights.flags.c_contiguous:
        raise ValueError(
            f"Weights are float32 [rows, columns] in C order, not {weights.dtype} in {weights.ndim} dimensions."
        )
    if size is None:
        return _SHARE, _SHARE, 1, True
    if size < 1:
        raise ValueError(f"A group has 1 weight or more, not {size}.")
    rows, columns = weights.shape
    return columns, min(size, max(columns, 1)), rows * -(-columns // size), False


def _check_levels(groups: int, scale: Floats, zero_point: Floats, highest: int) -> None:
    if not 1 <= highest <= 255:
        raise ValueError(f"The largest code is 1 to 255, not {highest}.")
    for name, array in (("scales", scale), ("zero points", zero_point)):
        if array.dtype != np.float32 or array.shape != (groups,) or not array.flags.c_contiguous:
            raise ValueError(f"{groups} groups need as many float32 {name}, not {array.dtype} {list(array.shape)}.")


@jit
def bounds(piece, count, columns, run):  # type: ignore[no-untyped-def]
    """First weight of a piece and the one after its last."""
    runs = (columns + run - 1) // run
    row, place = piece // runs, piece % runs
    return row * columns + place * run, min(row * columns + min((place + 1) * run, columns), count)


@jit
def _ranges(bits, columns, run, low, high, start, stop):  # type: ignore[no-untyped-def]
    for piece in range(start, stop):
        first, last = bounds(piece, bits.size, columns, run)
        lowest, highest = np.uint32(_NEGATIVE), np.int32(0)
        for i in range(np.uint64(first), np.uint64(last)):
            lowest = np.uint32(bits[i]) if np.uint32(bits[i]) > lowest else lowest
            highest = bits[i] if bits[i] > highest else highest
        low[piece], high[piece] = lowest if lowest != np.uint32(_NEGATIVE) else np.uint32(0), highest


@jit
def _fake_quantize(  # type: ignore[no-untyped-def]
    weights, columns, run, shared, scale, zero_point, highest, codes, levels, start, stop
):
    chunk = scratch(_CHUNK, np.float32)
    for piece in range(start, stop):
        begin, end = bounds(piece, weights.size, columns, run)
        group = 0 if shared else piece
        for first in range(begin, end, _CHUNK):
            count = min(_CHUNK, end - first)
            a, b = np.uint64(first), np.uint64(count)
            _round(weights, a, b, scale[group], zero_point[group], highest, codes, chunk)
            _write(chunk, count, levels, first)


@jit
def _round(weights, first, count, scale, zero_point, highest, codes, levels):  # type: ignore[no-untyped-def]
    """No fast math: the last bit counts."""
    for i in range(np.uint64(0), count):
        weight = weights[first + i]
        code = np.rint(weight / scale + zero_point)
        code = code if code > np.float32(0) else np.float32(0)
        code = code if code < highest else highest
        level = scale * (code - zero_point) + np.float32(0)
        levels[i] = level if weight != np.float32(0) else np.float32(0)
        if codes.size:
            codes[first + i] = np.uint8(code)


@jit
def _write(chunk, count, levels, first):  # type: ignore[no-untyped-def]
    """levels[first : first + count] = chunk[:count]; `levels` begins on a cache line."""
    i = 0
    if levels.size > _CACHED:
        i = min(count, -first % 16)
        for j in range(i):
            levels[first + j] = chunk[j]
        while i + 16 <= count:
            stream(levels, first + i, load(chunk, i, 16))
            i += 16
    for j in range(np.uint64(i), np.uint64(count)):
        levels[np.uint64(first) + j] = chunk[j]
