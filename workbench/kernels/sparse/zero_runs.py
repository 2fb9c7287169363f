"""The zeros of a tensor, counted in one pass: how many weights are left, and how long the runs of zeros between them.

A weight counts as zero where it lies in the dead zone of its group, a closed interval around zero: what a cut takes,
what a grid rounds to zero. So the zeros of a compressed tensor are counted without making it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.gaps import WIDTHS
from workbench.kernels.statistics.fake_quantize import bounds, layout
from workbench.kernels.vector.lookups import bit_count, trailing_zeros
from workbench.kernels.vector.registers import highest_bit, lane_sum, load, outside, splat, view
from workbench.kernels.vector.stretches import clear, scratch

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]

_SHORT = 512  # zeros of a run that is counted with those of its length, divided by 4


def count(
    weights: Floats,
    low: Floats,
    high: Floats,
    size: int | None = None,
    threshold: float = 0.0,
    boundary: int | None = None,
) -> tuple[int, Counts]:
    """Number of non-zero weights, and for each width in `gaps.WIDTHS` of the fillers of a relative index.

    weights: float32 [rows, columns], in C order. low <= 0 <= high: the dead zones, float32 [groups], groups as in
    `fake_quantize.ranges`. threshold: weights up to this magnitude are zero, too; from place `boundary` of the
    flattened tensor on only those below it. Raises ValueError where these do not fit each other.
    """
    columns, run, groups, shared = layout(weights, size)
    if low.shape != (groups,) or high.shape != (groups,) or low.dtype != np.float32 or high.dtype != np.float32:
        raise ValueError(f"{groups} groups need as many float32 dead zones, not {list(low.shape)}.")
    fillers = np.zeros(len(WIDTHS), np.int64)
    if weights.size == 0:
        return 0, fillers
    if shared:
        columns = run = weights.size
    at, below = np.float32(threshold), np.nextafter(np.float32(threshold), np.float32(-1))
    border = weights.size if boundary is None else boundary
    nonzeros = _count(weights.reshape(-1), columns, run, groups, low, high, at, below, border, fillers)
    return int(nonzeros), fillers


def dead_zones(scale: Floats, zero_point: Floats, highest: int) -> tuple[Floats, Floats]:
    """Smallest and largest weight of each group that `fake_quantize` makes zero, each [groups].

    scale, zero_point: float32 [groups]. highest: largest code. A group whose zero point is no code has no level at
    zero: only zero itself stays zero there.
    """
    low, high = np.zeros(scale.size, np.float32), np.zeros(scale.size, np.float32)
    _dead_zones(scale, zero_point, np.float32(highest), low, high)
    return low, high


def place_after(weights: Floats, threshold: float, ties: int) -> int:
    """Place after the first `ties` weights of magnitude `threshold` in the flattened tensor, or after all of it."""
    return int(_place_after(weights.reshape(-1), np.float32(threshold), ties))


@jit
def _count(weights, columns, run, groups, low, high, at, below, border, fillers):  # type: ignore[no-untyped-def]
    lengths = scratch(_SHORT // 4, np.int64)
    clear(lengths, 0, lengths.size)
    nonzeros, zeros = np.int64(0), np.int64(0)  # zeros: since the last weight that is left
    for group in range(groups):
        begin, end = bounds(group, weights.size, columns, run)
        middle = min(max(border, begin), end)
        if begin < middle:
            lowest, largest = min(low[group], -at), max(high[group], at)
            nonzeros, zeros = _segment(weights, begin, middle, lowest, largest, nonzeros, zeros, lengths, fillers)
        if middle < end:
            lowest, largest = min(low[group], -below), max(high[group], below)
            nonzeros, zeros = _segment(weights, middle, end, lowest, largest, nonzeros, zeros, lengths, fillers)
    for quarter in range(1, lengths.size):
        for i in range(fillers.size):
            fillers[i] += lengths[quarter] * (quarter >> i)
    return nonzeros


@jit
def _segment(weights, begin, end, low, high, nonzeros, zeros, lengths, fillers):  # type: ignore[no-untyped-def]
    lows, highs = splat(low, 16), splat(high, 16)
    first = begin
    while first + 64 <= end:
        word = outside(load(weights, first, 16), lows, highs)
        word |= outside(load(weights, first + 16, 16), lows, highs) << np.uint64(16)
        word |= outside(load(weights, first + 32, 16), lows, highs) << np.uint64(32)
        word |= outside(load(weights, first + 48, 16), lows, highs) << np.uint64(48)
        nonzeros += bit_count(word)
        zeros = _runs(word, np.int64(64), zeros, lengths, fillers)
        first += 64
    if first < end:
        word, place = np.uint64(0), 0
        while first + place + 16 <= end:
            word |= outside(load(weights, first + place, 16), lows, highs) << np.uint64(place)
            place += 16
        while first + place < end:
            weight = weights[first + place]
            word |= np.uint64(weight < low or weight > high) << np.uint64(place)
            place += 1
        nonzeros += bit_count(word)
        zeros = _runs(word, place, zeros, lengths, fillers)
    return nonzeros, zeros


@jit
def _runs(word, places, zeros, lengths, fillers):  # type: ignore[no-untyped-def]
    """The runs of four zeros or more that end in a word of `places` bits; how many zeros follow its last bit."""
    if word == np.uint64(0):
        return zeros + places
    lead = trailing_zeros(word)
    _add(zeros + lead, lengths, fillers)
    top = highest_bit(word)
    inner = ~word & ((np.uint64(1) << np.uint64(top)) - (np.uint64(1) << np.uint64(lead)))
    four = inner & (inner >> np.uint64(1))
    four &= four >> np.uint64(2)  # where four zeros or more follow
    starts = four & ~(four << np.uint64(1))
    while starts:
        _add(trailing_zeros(word >> np.uint64(trailing_zeros(starts))), lengths, fillers)
        starts &= starts - np.uint64(1)
    return places - 1 - top


@jit
def _add(zeros, lengths, fillers):  # type: ignore[no-untyped-def]
    if zeros < _SHORT:
        lengths[zeros >> 2] += 1
    else:
        for i in range(fillers.size):
            fillers[i] += zeros >> (2 + i)


@jit
def _place_after(weights, threshold, ties):  # type: ignore[no-untyped-def]
    seen = 0
    if ties == 0:
        return 0
    for i in range(weights.size):
        seen += abs(weights[i]) == threshold
        if seen == ties:
            return i + 1
    return weights.size


@jit
def _dead_zones(scale, zero_point, highest, low, high):  # type: ignore[no-untyped-def]
    of, below, above = np.float32(-1), np.float32(0), np.float32(0)  # the last zero point, and the steps it takes
    for group in range(scale.size):
        point = zero_point[group]
        if point < np.float32(0) or point > highest or point != np.rint(point):
            continue
        if point != of:
            of, below, above = point, _reach(point, np.float32(-1)), _reach(point, np.float32(1))
        low[group] = -np.inf if point == np.float32(0) else -_largest(below, scale[group])
        high[group] = np.inf if point == highest else _largest(above, scale[group])


@jit
def _reach(point, sign):  # type: ignore[no-untyped-def]
    """The largest number of steps, a float32, that still rounds to the zero point."""
    low, high = 0, 0x3F800000  # 0 does, 1 does not; positive floats rank as their bits do
    while high - low > 1:
        middle = (low + high) // 2
        if np.rint(sign * _float_of(middle) + point) == point:
            low = middle
        else:
            high = middle
    return _float_of(low)


@jit
def _float_of(bits):  # type: ignore[no-untyped-def]
    return lane_sum(view(splat(np.int32(bits), 1), np.float32))


@jit
def _largest(steps, scale):  # type: ignore[no-untyped-def]
    """The largest weight that is so many steps of `scale` at most."""
    weight = steps * scale
    while weight / scale > steps:
        weight = np.nextafter(weight, np.float32(0))
    further = np.nextafter(weight, np.float32(np.inf))
    while further / scale <= steps:
        weight = further
        further = np.nextafter(weight, np.float32(np.inf))
    return weight
