"""Products of packed weights with float32 activations, every weight decoded to float32 on the way.

A strip is decoded in registers, or to a panel in the first-level cache where decoding takes more than a conversion and
many rows share it. Without a panel a grid's zero point is taken off a sum of products by the sum of their activations:
of 64 products with one vector, of 256 with many, so that float32 stays accurate where the zero point is large beside
the weights.
"""

from __future__ import annotations

from functools import cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import wide
from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.lowbit import direct_source, panel_source
from workbench.kernels.lowbit.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit.decoding import decode_block
from workbench.kernels.lowbit.floating_source import gemv_source, left_in_place, rows_at_once, strips_at_once
from workbench.kernels.lowbit.panel_source import DEEP
from workbench.kernels.lowbit.strips import beside, rest_code, widened
from workbench.kernels.lowbit.weights import LowBit, Way
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import load_some, permute8, permute16, store_some
from workbench.kernels.vector.registers import convert, fma, gather, load, splat, spread, store, view
from workbench.kernels.vector.stretches import clear, scratch

Floats = NDArray[np.float32]

_SPAN = 2  # blocks of 32 inputs after which the zero point is taken off
# Strips that go over all rows before the next inputs do, where not all activations stay in a near cache.
_STRIPS = 16
_NEAR = 1 << 18  # bytes


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
    rows, inputs = x.shape
    batch = rows_at_once(rows)
    padded = -(-rows // batch) * batch
    span = DEEP if weights.run >= inputs else gcd(DEEP, weights.run)
    turn = 1 if x.nbytes <= _NEAR else _STRIPS
    rest: tuple[Any, ...] = (turn, rows, bias, y.reshape(-1))
    step = strips_at_once()
    if _is_direct(weights.way, weights.bits):
        totals = np.zeros((-(-inputs // span), padded), np.float32)
        np.add.reduceat(x, range(0, inputs, span), axis=1, out=totals.T[:rows])
        rest, step = (totals.reshape(-1), span, *rest), 1
        x = _scaled(x, weights.bits)
    else:
        span = DEEP
    ordered = aligned(padded * inputs, np.float32)
    split(_interleave, padded // batch, threads, x, batch, span, ordered)
    kernel, strips = _gemm(weights.way, weights.bits, batch), -(-weights.outputs // OUTPUTS)
    split(kernel, strips, threads, *weights.arguments, ordered, *rest, step=step)


def _is_direct(way: Way, bits: int) -> bool:
    """Whether codes are decoded where they are multiplied; many long registers make more of a panel of two strips.

    Codes that share bytes take too many registers beside the sums to be put together there.
    """
    return way == "convert" and 8 % bits == 0 and not wide()


def _scaled(x: Floats, bits: int) -> Floats:
    """Rows of activations, those of whole blocks times the factor for their place in the block."""
    scaled, whole = x.copy(), x.shape[1] // INPUTS * INPUTS
    scaled[:, :whole] *= np.tile(_factors("convert", bits), whole // INPUTS)
    return scaled


@cache
def _gemv(way: Way, bits: int) -> tuple[Any, Floats, int]:
    """The kernel, what it scales each input of a block by, and the strips it works on at once."""
    name = f"_gemv_{way}_{bits}"
    kernel = generated(__name__, name, lambda: gemv_source(name, way, bits))
    return kernel, _factors(way, bits), strips_at_once()


@cache
def _factors(way: Way, bits: int) -> Floats:
    """What each input of a block is scaled by, since its code is left in place."""
    return np.array([2.0 ** -(left_in_place(bits, k) if way == "convert" else 0) for k in range(INPUTS)], np.float32)


@cache
def _gemm(way: Way, bits: int, rows: int) -> Any:
    name = f"_gemm_{way}_{bits}_{rows}"
    if _is_direct(way, bits):
        return generated(__name__, name, lambda: direct_source.gemm_source(name, bits, rows))
    return generated(__name__, name, lambda: panel_source.gemm_source(name, way, bits, rows))


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
def _interleave(x, batch, span, ordered, start, stop):  # type: ignore[no-untyped-def]
    """Groups start..stop−1 of `batch` rows, as a product reads them: for each `span` inputs all groups, one after
    another, and in a group the same input of all its rows side by side."""
    rows, inputs = x.shape
    padded = (rows + batch - 1) // batch * batch
    for first in range(0, inputs, span):
        width = min(span, inputs - first)
        for group in range(start, stop):
            at = first * padded + group * width * batch
            there = min(batch, rows - group * batch)
            if there < batch:
                clear(ordered, at, at + width * batch)
            if there == 8:  # a constant, so that eight rows are read side by side
                for k in range(width):
                    for row in range(8):
                        ordered[at + k * 8 + row] = x[group * 8 + row, first + k]
            else:
                for row in range(there):
                    for k in range(width):
                        ordered[at + k * batch + row] = x[group * batch + row, first + k]
