"""Products of packed weights on a grid with activations in fixed point, through products of bytes.

An activation is three digits of base 256, which hold what float32 does, times a factor that a span of inputs shares.
Products of codes with digits are summed as whole numbers, exactly; the zero point is taken off.
"""

from __future__ import annotations

from functools import cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import has
from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.lowbit.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit.fixed_source import (
    BATCH,
    DIGITS,
    gemm_source,
    gemv_source,
    multiplies_bytes,
    strips_at_once,
    sums_in_pairs,
)
from workbench.kernels.lowbit.strips import beside, rest_quad, widened
from workbench.kernels.lowbit.weights import LowBit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.byte_products import dot_u8_i8, pair_products, pair_sums
from workbench.kernels.vector.lookups import load_some, store_some
from workbench.kernels.vector.registers import convert, fma, load, splat, spread, store, view
from workbench.kernels.vector.stretches import scratch

Floats = NDArray[np.float32]

# Largest whole number that an activation becomes: digits from -128 to 127 reach 8355711, and rounding needs room.
_TOP = np.float32(8355000)
FEW = 3  # rows that take less one by one than as a matrix of four that is decoded to float32
# Outputs from which on digits pay: at 100 × 300 both ways take as long, at 500 × 800 digits take three quarters.
_FEWEST_OUTPUTS = 64
_SPAN = 128  # inputs that share a factor: few, so that it does not cost accuracy


def pays(weights: LowBit, batch: int) -> bool:
    """Whether a product with `batch` rows is faster so than in float32.

    The weights must be on a grid, and it be worth bringing activations to digits. Without dot products of bytes, few
    rows are faster one by one, where sums of codes and digits fit 16 bits.
    """
    if not weights.uniform or weights.outputs < _FEWEST_OUTPUTS:
        return False
    return multiplies_bytes() or (batch <= FEW and has("avx2") and sums_in_pairs(weights.bits) > 1)


def span(weights: LowBit, inputs: int) -> int:
    """How many inputs share a factor: `inputs`, or a divisor of it where scales change more often."""
    return inputs if weights.run >= weights.inputs else gcd(inputs, weights.run)


def product(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    if len(x) > 1 and multiplies_bytes():
        gemm(weights, x, bias, y, threads)
    else:
        for row in range(len(x)):
            gemv(weights, x[row : row + 1], bias, y[row : row + 1], threads)


def gemv(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """W x + bias for x [1, in], to y [1, out]."""
    width = span(weights, _SPAN)
    arguments = (*weights.arguments, x, width // INPUTS, _TOP, bias, y)
    strips = -(-weights.outputs // OUTPUTS)
    split(_kernel("gemv", weights.bits), strips, threads, *arguments, step=strips_at_once())


def gemm(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    width = span(weights, _SPAN)
    groups, quads, spans = -(-x.shape[0] // BATCH), -(-x.shape[1] // 4), -(-x.shape[1] // width)
    numbers = aligned(groups * quads * DIGITS * BATCH, np.uint32)
    sums, factors = np.empty(groups * spans * DIGITS * BATCH, np.float32), np.empty(groups * spans * BATCH, np.float32)
    place = (width, BATCH, _TOP, numbers, sums, factors)
    split(to_digits, groups, threads, x, *place)
    arguments = (*weights.arguments, numbers, sums, factors, width // INPUTS, x.shape[0], bias, y.reshape(-1))
    strips = -(-weights.outputs // OUTPUTS)
    split(_kernel("gemm", weights.bits), strips, threads, *arguments, step=strips_at_once())


@cache
def _kernel(product: str, bits: int) -> Any:
    name = f"_{product}_{bits}"
    source = gemv_source if product == "gemv" else gemm_source
    return generated(__name__, name, lambda: source(name, bits))


@jit
def to_digits(x, width, step, top, numbers, sums, factors, start, stop):  # type: ignore[no-untyped-def]
    """Groups start..stop−1 of `step` rows of x in digits, as `fixed_source` describes."""
    batch, inputs = x.shape
    patterns = x.view(np.uint32)
    quads, spans = (inputs + 3) // 4, (inputs + width - 1) // width  # four inputs make a quad
    memory = np.zeros((DIGITS, width), np.int8)
    four = memory.view(np.uint32)
    bound = scratch(1, np.float32)
    for group in range(start, stop):
        for row in range(step):
            at = group * step + row
            for one in range(spans):
                first = one * width
                count = min(width, inputs - first) if at < batch else 0
                place = group * spans + one
                largest = np.uint32(0)
                for k in range(count):  # as a number, so that NaN counts as larger than any
                    largest = max(largest, patterns[at, first + k] & np.uint32(0x7FFFFFFF))
                bound.view(np.uint32)[0] = largest
                size = bound[0]
                factor = size / top
                inverse = top / size if size > 0 else np.float32(0)
                if not np.isfinite(inverse):  # so small that its inverse overflows: not told from zero
                    inverse, factor = np.float32(0), np.float32(0)
                factors[place * step + row] = factor
                total0, total1, total2 = np.int32(0), np.int32(0), np.int32(0)
                for k in range(count):
                    number = np.int32(np.rint(x[at, first + k] * inverse))
                    low = np.int32(np.int8(number))
                    number = (number - low) >> 8
                    middle = np.int32(np.int8(number))
                    high = (number - middle) >> 8
                    memory[0, k], memory[1, k], memory[2, k] = low, middle, high
                    total0 += low
                    total1 += middle
                    total2 += high
                memory[:, max(0, count) :] = 0
                for digit in range(DIGITS):
                    sums[(place * DIGITS + digit) * step + row] = (
                        total0 if digit == 0 else total1 if digit == 1 else total2
                    )
                    to = (group * quads + first // 4) * DIGITS * step + digit * step + row
                    for quad in range(min(width, quads * 4 - first) // 4):
                        numbers[to + quad * DIGITS * step] = four[digit, quad]
