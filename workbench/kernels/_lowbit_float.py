"""Products of packed weights with float32 activations, every weight decoded to float32 on the way.

A tile is decoded in registers, or to a panel in the first-level cache where many rows share it. In the product with one
vector, a grid's zero point is taken off the sum of 64 products at a time, by the sum of their activations; so float32
stays accurate where the zero point is large beside the weights.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _threads
from workbench.kernels._features import wide
from workbench.kernels._float_source import (
    Way,
    batch_at_once,
    gemm_source,
    gemv_source,
    left_in_place,
    tiles_at_once,
)
from workbench.kernels._generate import generated
from workbench.kernels._jit import jit
from workbench.kernels._memory import aligned
from workbench.kernels._vector import (  # noqa: F401 (names in generated code)
    convert,
    fma,
    gather,
    load,
    permute16,
    splat,
    spread,
    store,
    view,
)
from workbench.kernels.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit_weights import LowBit

Floats = NDArray[np.float32]

_SPAN = 2  # blocks of 32 inputs after which the zero point is taken off
_CHUNK = 8  # blocks in a panel: 8 · 32 · 32 floats are 32 KiB


def gemv(weights: LowBit, x: Floats, threads: int) -> Floats:
    """W x for x [in], as [16 · tiles]."""
    across, blocks = weights.packed.shape[:2]
    y = np.empty(across * OUTPUTS, np.float32)
    way, span = _way(weights), _SPAN if weights.run % (INPUTS * _SPAN) == 0 else 1
    padded, sums = aligned(blocks * INPUTS, np.float32), np.empty(-(-blocks // span), np.float32)
    _prepare(x, _factors(way, weights.bits), span * INPUTS, padded, sums)
    function, run = _kernel("gemv", way, weights.bits), weights.run // (INPUTS * span)
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    arguments = (weights.packed.reshape(-1), weights.levels, *scales, padded, sums, span, run, y)
    _threads.split(function, across, threads, *arguments, step=tiles_at_once())
    return y


def gemm(weights: LowBit, x: Floats, threads: int) -> Floats:
    """X Wᵀ for x [batch, in], as [batch or some rows more, 16 · tiles]."""
    across, blocks = weights.packed.shape[:2]
    batch = batch_at_once()
    rows = -(-x.shape[0] // batch)
    y = aligned((rows * batch, across * OUTPUTS), np.float32)
    ordered = aligned(rows * batch * blocks * INPUTS, np.float32)
    _threads.split(_interleave, rows, threads, x, batch, blocks * INPUTS, ordered)
    function = _kernel("gemm", _way(weights), weights.bits)
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    run = weights.run // INPUTS
    arguments = (weights.packed.reshape(-1), weights.levels, *scales, run, ordered, rows, y.reshape(-1), _CHUNK, across)
    _threads.split(function, across, threads, *arguments, step=tiles_at_once())
    return y


def _way(weights: LowBit) -> Way:
    if wide() and weights.bits <= 4:
        return "permute"
    return "convert" if weights.uniform else "gather"


def _kernel(product: str, way: Way, bits: int) -> Any:
    name = f"_{product}_{way}_{bits}"
    source = gemv_source if product == "gemv" else gemm_source
    return generated(__name__, name, lambda: source(name, way, bits))


@cache
def _factors(way: Way, bits: int) -> Floats:
    """What each input of a block is scaled by before the product with codes that `convert` leaves too large."""
    return np.array([2.0 ** -(left_in_place(bits, k) if way == "convert" else 0) for k in range(INPUTS)], np.float32)


@jit(fast_math=True)
def _prepare(x, factors, span, padded, sums):  # type: ignore[no-untyped-def]
    for one in range(sums.size):
        total = np.float32(0)
        for k in range(one * span, min(one * span + span, x.size)):
            total += x[k]
        sums[one] = total
    for block in range(padded.size // factors.size):
        at = block * factors.size
        for k in range(min(factors.size, x.size - at)):
            padded[at + k] = x[at + k] * factors[k]
    padded[x.size :] = 0


@jit
def _interleave(x, batch, width, ordered, start, stop):  # type: ignore[no-untyped-def]
    """Groups of `batch` rows, of `width` inputs each, with the same input of all rows of a group side by side."""
    rows, inputs = x.shape
    for group in range(start, stop):
        at = group * width * batch
        there = min(batch, rows - group * batch)
        if there < batch or inputs < width:
            ordered[at : at + width * batch] = 0
        if there == 8:  # a constant, so that eight rows are read side by side
            for k in range(inputs):
                for row in range(8):
                    ordered[at + k * 8 + row] = x[group * 8 + row, k]
        else:
            for row in range(there):
                for k in range(inputs):
                    ordered[at + k * batch + row] = x[group * batch + row, k]
