"""How the weights of a layer are spread before and after compression, and which of them became zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.weights.arrays import Floats

BINS = 80
MOST_LEVELS = 1000  # more of them cannot be told from one another in a picture
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many weights lie where; those that are exactly zero are counted apart.

    low, high: the smallest and the largest value. edges: float64 [bins + 1], equally far apart. counts: [bins], of the
    weights that are not zero; one on an edge is in the bin above. zeros: how many are. distinct: values that there are,
    zero left out. levels: these, ascending, and how many weights lie on each, [levels]; both empty where there are more
    than `MOST_LEVELS`.
    """

    low: float
    high: float
    edges: NDArray[np.float64]
    counts: Counts
    zeros: int
    distinct: int
    levels: Floats
    on_level: Counts


@dataclass(frozen=True)
class Pruned:
    """Weights that were not zero and are now. threshold: the smallest magnitude that a weight which is left had, or the
    largest of all where none is. within: how many of those that became zero are no larger; all where size decided."""

    count: int
    threshold: float
    within: int


def histograms(*tensors: Floats) -> tuple[Histogram, ...]:
    """Of several tensors over the same bins, from the smallest to the largest value of all of them."""
    low = min((float(tensor.min(initial=0)) for tensor in tensors), default=0.0)
    high = max((float(tensor.max(initial=0)) for tensor in tensors), default=0.0)
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    return tuple(_histogram(tensor, edges) for tensor in tensors)


def pruned(before: Floats, after: Floats) -> Pruned:
    """What became zero between two tensors of one shape."""
    gone = (after == 0) & (before != 0)
    sizes = np.abs(before)
    left = after != 0
    threshold = sizes[left].min() if left.any() else sizes.max(initial=0)
    return Pruned(int(np.count_nonzero(gone)), float(threshold), int(np.count_nonzero(sizes[gone] <= threshold)))


def _histogram(tensor: Floats, edges: NDArray[np.float64]) -> Histogram:
    filled = tensor[tensor != 0]
    counts, _ = np.histogram(filled, edges)
    levels, on_level = np.unique(filled, return_counts=True)
    distinct = levels.size
    if distinct > MOST_LEVELS:
        levels, on_level = levels[:0], on_level[:0]
    zeros = tensor.size - filled.size
    ends = float(tensor.min(initial=np.inf)), float(tensor.max(initial=-np.inf))
    return Histogram(*ends, edges, counts.astype(np.int64), zeros, distinct, levels, on_level.astype(np.int64))
