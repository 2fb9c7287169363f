"""Mean and mean absolute deviation of the weights of each group that are not zero, which one-bit levels are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.statistics.fake_quantize import bounds, layout
from workbench.kernels.vector.stretches import clear, scratch

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_LANES = 8  # sums kept side by side, in this order on every processor


def deviations(
    weights: Floats, size: int | None = None, threshold: float = 0.0, boundary: int | None = None, centred: bool = True
) -> tuple[Doubles, Doubles]:
    """Mean, and mean distance from it, over the non-zero weights of each group, both float64 [groups].

    weights: float32 [rows, columns], in C order; groups as in `fake_quantize.ranges`, `threshold` and `boundary` as in
    `zero_runs.count`. centred: take 0 for the mean. A group of zeros has 0 for both.
    """
    columns, run, groups, shared = layout(weights, size)
    mean, spread = np.zeros(groups), np.zeros(groups)
    if weights.size:
        if shared:
            columns = run = weights.size
        at, below = np.float32(threshold), np.nextafter(np.float32(threshold), np.float32(-1))
        border = weights.size if boundary is None else boundary
        _deviations(weights.reshape(-1), columns, run, at, max(below, np.float32(0)), border, centred, mean, spread)
    return mean, spread


@jit
def _deviations(weights, columns, run, at, below, border, centred, mean, spread):  # type: ignore[no-untyped-def]
    lanes = scratch(_LANES, np.float64)
    for group in range(mean.size):
        begin, end = bounds(group, weights.size, columns, run)
        middle = min(max(border, begin), end)
        if not centred:
            clear(lanes, 0, _LANES)
            members = _sum(weights, begin, middle, at, lanes) + _sum(weights, middle, end, below, lanes)
            mean[group] = _total(lanes) / max(members, 1)
        clear(lanes, 0, _LANES)
        members = _distances(weights, begin, middle, at, mean[group], lanes)
        members += _distances(weights, middle, end, below, mean[group], lanes)
        spread[group] = _total(lanes) / max(members, 1)


@jit
def _sum(weights, begin, end, threshold, lanes):  # type: ignore[no-untyped-def]
    """Add up the weights above the threshold in magnitude; how many there are."""
    members = 0
    for first in range(begin, end, _LANES):
        for lane in range(min(_LANES, end - first)):
            weight = weights[first + lane]
            alive = abs(weight) > threshold
            lanes[lane] += np.float64(weight) if alive else 0.0
            members += alive
    return members


@jit
def _distances(weights, begin, end, threshold, mean, lanes):  # type: ignore[no-untyped-def]
    members = 0
    for first in range(begin, end, _LANES):
        for lane in range(min(_LANES, end - first)):
            weight = weights[first + lane]
            alive = abs(weight) > threshold
            lanes[lane] += abs(np.float64(weight) - mean) if alive else 0.0
            members += alive
    return members


@jit
def _total(lanes):  # type: ignore[no-untyped-def]
    total = 0.0
    for lane in range(lanes.size):
        total += lanes[lane]
    return total
