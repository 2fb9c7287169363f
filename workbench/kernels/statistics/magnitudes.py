"""Magnitude pruning at any sparsity in microseconds: weights sorted by size once, with the energy of the smallest ones.

Cutting the c smallest of a tensor is then an index, and its squared error a difference of two stored sums and the few
squares between. Exact: ties are counted, and go in storage order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]

_BLOCK = 64  # weights to one stored sum


@dataclass(frozen=True, eq=False)
class Cuts:
    """Where the smallest weights of each tensor end.

    threshold: float32 [tensors], the largest magnitude that is cut, 0 where none is. ties: int64 [tensors], how many of
    the weights of just that magnitude are cut, the first in storage order. error: float64 [tensors], sum of squares of
    what is cut.
    """

    threshold: Floats
    ties: Counts
    error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """Magnitudes of one or more tensors, each in ascending order, NaN last.

    values: float32 [all weights], one tensor after another. energy: float64, for each tensor the sums of the squares of
    its first 0, 64, 128, .. values. offsets: int64 [tensors + 1, 2], where the values and the sums of a tensor begin.
    """

    values: Floats
    energy: NDArray[np.float64]
    offsets: Counts

    @classmethod
    def of(cls, tensors: Sequence[Floats], threads: int = 1) -> Magnitudes:
        """Sort the magnitudes of `tensors`, float32 of any shape; else, or for no tensor, raises ValueError."""
        if not tensors or any(one.dtype != np.float32 for one in tensors):
            raise ValueError("Magnitudes are taken of one tensor or more, all float32.")
        sizes = [one.size for one in tensors]
        starts = [0, *accumulate(sizes)]
        sums = [0, *accumulate(size // _BLOCK + 1 for size in sizes)]
        values = np.empty(starts[-1], np.float32)
        energy = np.empty(sums[-1], np.float64)

        def sort(first: int, last: int) -> None:
            for one in range(first, last):
                mine = values[starts[one] : starts[one + 1]]
                np.abs(tensors[one].reshape(-1), out=mine)
                mine.sort()
                _sum_blocks(mine, energy[sums[one] : sums[one + 1]])

        split(sort, len(tensors), threads)
        return cls(values, energy, np.array([starts, sums], np.int64).T.copy())

    @property
    def sizes(self) -> Counts:
        """Number of weights of each tensor."""
        return np.diff(self.offsets[:, 0])

    def cut(self, counts: Counts) -> Cuts:
        """Cut the `counts` [tensors] smallest weights of each tensor. Raises ValueError for a count that it has not."""
        sizes = self.sizes
        if counts.shape != sizes.shape or np.any(counts < 0) or np.any(counts > sizes):
            raise ValueError(f"Of {sizes.tolist()} weights one cannot cut {counts.tolist()}.")
        found = len(sizes)
        cuts = Cuts(np.empty(found, np.float32), np.empty(found, np.int64), np.empty(found, np.float64))
        _cut(self.values, self.energy, self.offsets, counts, cuts.threshold, cuts.ties, cuts.error)
        return cuts

    def smallest_of_all(self, count: int) -> Counts:
        """How many weights of each tensor, [tensors], are among the `count` smallest of all; ties go in storage order.

        Raises ValueError for a count outside 0..all weights.
        """
        starts = self.values.ctypes.data + self.values.itemsize * self.offsets[:-1, 0]
        return _smallest(starts, self.sizes, count)


def smallest_of_all(tensors: Sequence[Magnitudes], count: int) -> Counts:
    """How many weights of each of `tensors`, which hold one each, are among the `count` smallest of all of them.

    The same as `Magnitudes.smallest_of_all` where they lie in several places.
    """
    starts = np.array([one.values.ctypes.data for one in tensors], np.int64)
    return _smallest(starts, np.array([one.values.size for one in tensors], np.int64), count)


def _smallest(starts: Counts, sizes: Counts, count: int) -> Counts:
    """starts: address of the first magnitude of each tensor."""
    total = int(sizes.sum())
    if not 0 <= count <= total:
        raise ValueError(f"Of {total} weights one cannot cut {count}.")
    counts = np.zeros(sizes.size, np.int64)
    if count:
        _share_out(starts, sizes, count, counts)
    return counts


def prune(weights: Floats, threshold: float, ties: int | None, out: Floats | None = None) -> Floats:
    """`weights` with zeros for those below `threshold` in magnitude and for the first `ties` of those at it, or all.

    out: takes the result if given. Raises ValueError where there are not so many ties, or `out` does not fit.
    """
    pruned = np.empty(weights.shape, np.float32) if out is None else out
    if pruned.shape != weights.shape or pruned.dtype != np.float32 or not pruned.flags.c_contiguous:
        raise ValueError(
            f"Pruned weights of shape {list(weights.shape)} need a float32 array of that shape in C order."
        )
    source, target = np.ascontiguousarray(weights, np.float32).reshape(-1), pruned.reshape(-1)
    if ties == 0:
        _zero_up_to(source, np.nextafter(np.float32(threshold), np.float32(-1)), target)
        return pruned
    at_threshold = _zero_up_to(source, np.float32(threshold), target)
    if ties is None:
        return pruned
    if ties > at_threshold:
        raise ValueError(f"{at_threshold} weights have the magnitude {threshold}, not {ties}.")
    if ties < at_threshold:
        _restore(source, np.float32(threshold), ties, target)
    return pruned


@jit
def _sum_blocks(values, energy):  # type: ignore[no-untyped-def]
    total = 0.0
    for block in range(energy.size):
        energy[block] = total
        first = block * _BLOCK
        if first + _BLOCK <= values.size:
            total += _energy(values[first : first + _BLOCK])


@jit(fast_math=True)
def _energy(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(values.size):
        total += np.float64(values[i]) * np.float64(values[i])
    return total


@jit
def _cut(values, energy, offsets, counts, thresholds, ties, errors):  # type: ignore[no-untyped-def]
    for one in range(counts.size):
        count, begin = counts[one], offsets[one, 0]
        mine = values[begin : offsets[one + 1, 0]]
        thresholds[one], ties[one], errors[one] = 0, 0, 0
        if count:
            thresholds[one] = mine[count - 1]
            ties[one] = count - _rank(mine, mine[count - 1], 0, count)
            block = count // _BLOCK
            errors[one] = energy[offsets[one, 1] + block] + _energy(mine[block * _BLOCK : count])


@jit
def _rank(values, bound, first, last):  # type: ignore[no-untyped-def]
    """How many of the ascending `values` are below `bound`, known to lie in first..last."""
    while first < last:
        middle = (first + last) // 2
        if values[middle] < bound:
            first = middle + 1
        else:
            last = middle
    return first


@intrinsic
def _pattern(typingctx, start, index):  # type: ignore[no-untyped-def]
    """The float32 at `index` of the array that begins at address `start`, as an integer: positive ones rank alike."""
    if not (isinstance(start, types.Integer) and isinstance(index, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        array = builder.inttoptr(args[0], ir.IntType(32).as_pointer())
        index = context.cast(builder, args[1], sig.args[1], types.int64)
        found = builder.load(builder.gep(array, [index]))
        return builder.sext(found, ir.IntType(64))

    return types.int64(types.int64, index), codegen


@jit
def _place(start, bound, first, last):  # type: ignore[no-untyped-def]
    """How many of the ascending magnitudes at `start` have a pattern below `bound`, known to lie in first..last."""
    while first < last:
        middle = (first + last) // 2
        if _pattern(start, middle) < bound:
            first = middle + 1
        else:
            last = middle
    return first


@jit
def _share_out(starts, sizes, count, counts):  # type: ignore[no-untyped-def]
    tensors = counts.size
    least, most = np.zeros(tensors, np.int64), sizes.copy()  # between these lies each tensor's part
    ranks = np.empty(tensors, np.int64)
    low, high = 0, 2**31 - 1  # the pattern of the threshold, found by halving
    while low < high:
        middle = (low + high) // 2
        found = 0
        for one in range(tensors):
            ranks[one] = _place(starts[one], middle + 1, least[one], most[one])
            found += ranks[one]
        if found >= count:
            high = middle
            most[:] = ranks
        else:
            low = middle + 1
            least[:] = ranks
    left = count
    for one in range(tensors):
        ranks[one] = _place(starts[one], low, 0, sizes[one])
        left -= ranks[one]
    for one in range(tensors):
        here = min(left, most[one] - ranks[one])
        counts[one] = ranks[one] + here
        left -= here


@jit
def _zero_up_to(weights, threshold, pruned):  # type: ignore[no-untyped-def]
    """Zero every weight up to the threshold; how many lie at it."""
    equal = 0
    for i in range(weights.size):
        magnitude = abs(weights[i])
        equal += 1 if magnitude == threshold else 0
        pruned[i] = np.float32(0) if magnitude <= threshold else weights[i]
    return equal


@jit
def _restore(weights, threshold, ties, pruned):  # type: ignore[no-untyped-def]
    """Put back the weights at the threshold after the first `ties`."""
    seen = 0
    for i in range(weights.size):
        if abs(weights[i]) == threshold:
            if seen >= ties:
                pruned[i] = weights[i]
            seen += 1
