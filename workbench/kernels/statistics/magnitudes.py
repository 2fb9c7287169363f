"""Magnitude pruning at any sparsity in microseconds: weights are sorted by size once, after that a cut is an index.

Exact: ties are counted, and go in storage order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.stretches import clear, copy, scratch

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]


def ascending(weights: Floats) -> Floats:
    """Magnitudes of `weights` (any shape) in ascending order, NaN last; float32 [weights]."""
    magnitudes = np.abs(weights.reshape(-1), dtype=np.float32)
    magnitudes.sort()
    return magnitudes


def smallest_of_all(tensors: Sequence[Floats], count: int) -> Counts:
    """How many weights of each tensor are among the `count` smallest of all of them; ties go in storage order.

    tensors: the magnitudes of each, ascending, float32 in one piece. Raises ValueError for others, and for a count
    outside 0..all weights.
    """
    if any(tensor.dtype != np.float32 or tensor.ndim != 1 or not tensor.flags.c_contiguous for tensor in tensors):
        raise ValueError("Magnitudes are ascending float32 vectors in one piece.")
    starts = np.array([tensor.ctypes.data for tensor in tensors], np.int64)
    sizes = np.array([tensor.size for tensor in tensors], np.int64)
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
    least, most = scratch(tensors, np.int64), scratch(tensors, np.int64)  # between these lies each tensor's part
    clear(least, 0, tensors)
    copy(sizes, 0, tensors, most, 0)
    ranks = scratch(tensors, np.int64)
    low, high = 0, 2**31 - 1  # the pattern of the threshold, found by halving
    while low < high:
        middle = (low + high) // 2
        found = 0
        for tensor in range(tensors):
            ranks[tensor] = _place(starts[tensor], middle + 1, least[tensor], most[tensor])
            found += ranks[tensor]
        closer = most if found >= count else least
        copy(ranks, 0, tensors, closer, 0)
        if found >= count:
            high = middle
        else:
            low = middle + 1
    left = count
    for tensor in range(tensors):
        ranks[tensor] = _place(starts[tensor], low, np.int64(0), sizes[tensor])
        left -= ranks[tensor]
    for tensor in range(tensors):
        here = min(left, most[tensor] - ranks[tensor])
        counts[tensor] = ranks[tensor] + here
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
