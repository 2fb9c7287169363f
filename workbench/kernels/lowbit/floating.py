"""Products of packed weights with float32 activations, every weight decoded to float32 on the way.

A strip is decoded in registers, or to a panel in the first-level cache where many rows share it. In the product with
one vector, a grid's zero point is taken off the sum of 64 products at a time, by the sum of their activations; so
float32 stays accurate where the zero point is large beside the weights.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.lowbit.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit.floating_source import (
    batch_at_once,
    gemm_source,
    gemv_source,
    left_in_place,
    strips_at_once,
)
from workbench.kernels.lowbit.strips import beside, rest_code, widened
from workbench.kernels.lowbit.weights import LowBit, Way
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import load_some, scratch, store_some
from workbench.kernels.vector.registers import convert, fma, gather, load, permute16, splat, spread, store, view

Floats = NDArray[np.float32]

_SPAN = 2  # blocks of 32 inputs after which the zero point is taken off


def product(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    (gemv if len(x) == 1 else gemm)(weights, x, bias, y, threads)


def gemv(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """W x + bias for x [1, in], to y [1, out]."""
    kernel, factors, step = _gemv(weights.way, weights.bits)
    span = _SPAN if weights.run % (INPUTS * _SPAN) == 0 else 1
    arguments = (*weights.arguments, x, factors, bias, span, y)
    split(kernel, -(-weights.outputs // OUTPUTS), threads, *arguments, step=step)


def gemm(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    batch = batch_at_once()
    groups = -(-x.shape[0] // batch)
    ordered = aligned(groups * batch * weights.inputs, np.float32)
    split(_interleave, groups, threads, x, batch, ordered)
    arguments = (*weights.arguments, ordered, x.shape[0], bias, y.reshape(-1))
    kernel, strips = _gemm(weights.way, weights.bits), -(-weights.outputs // OUTPUTS)
    split(kernel, strips, threads, *arguments, step=strips_at_once())


@cache
def _gemv(way: Way, bits: int) -> tuple[Any, Floats, int]:
    """The kernel, what it scales each input of a block by, and the strips it works on at once."""
    name = f"_gemv_{way}_{bits}"
    factors = [2.0 ** -(left_in_place(bits, k) if way == "convert" else 0) for k in range(INPUTS)]
    kernel = generated(__name__, name, lambda: gemv_source(name, way, bits))
    return kernel, np.array(factors, np.float32), strips_at_once()


@cache
def _gemm(way: Way, bits: int) -> Any:
    name = f"_gemm_{way}_{bits}"
    return generated(__name__, name, lambda: gemm_source(name, way, bits))


@jit(fast_math=True)
def add_up(x, span, count, sums):  # type: ignore[no-untyped-def]
    """The sum of each `span` of the first `count` numbers in `x`."""
    for one in range(sums.size):
        total = np.float32(0)
        for k in range(one * span, min(one * span + span, count)):
            total += x[k]
        sums[one] = total


@jit
def scale_down(x, factors, scaled):  # type: ignore[no-untyped-def]
    """As many numbers of `x` as `scaled` takes, in blocks, times the factor for their place in the block."""
    for at in range(0, scaled.size // factors.size * factors.size, factors.size):
        for k in range(factors.size):
            scaled[at + k] = x[at + k] * factors[k]


@jit
def _interleave(x, batch, ordered, start, stop):  # type: ignore[no-untyped-def]
    """Groups of `batch` rows, with the same input of all rows of a group side by side."""
    rows, inputs = x.shape
    for group in range(start, stop):
        at = group * inputs * batch
        there = min(batch, rows - group * batch)
        if there < batch:
            ordered[at : at + inputs * batch] = 0
        if there == 8:  # a constant, so that eight rows are read side by side
            for k in range(inputs):
                for row in range(8):
                    ordered[at + k * 8 + row] = x[group * 8 + row, k]
        else:
            for row in range(there):
                for k in range(inputs):
                    ordered[at + k * batch + row] = x[group * batch + row, k]
