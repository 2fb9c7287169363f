"""Products of packed weights on a grid with activations in fixed point, through dot products of bytes (VNNI).

An activation is digits of base 256 times a factor that a span of inputs shares: three digits hold what float32 does,
one is the usual int8. Products of codes with digits are summed as whole numbers, exactly; the zero point is taken off.
"""

from __future__ import annotations

from functools import cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.lowbit.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit.fixed_source import STRIPS, batch_step, gemm_source, gemv_source
from workbench.kernels.lowbit.strips import beside, rest_quad, widened
from workbench.kernels.lowbit.weights import LowBit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import load_some, scratch, store_some
from workbench.kernels.vector.registers import convert, dot_u8_i8, fma, load, splat, spread, store, view

Floats = NDArray[np.float32]

# Largest whole number that an activation becomes. Three digits, -128 to 127 each, reach 8355711; rounding needs room.
_TOP = {1: np.float32(127), 3: np.float32(8355000)}
# Outputs from which on digits pay: at 100 × 300 both ways take as long, at 500 × 800 digits take three quarters.
_FEWEST_OUTPUTS = 64
# Inputs that share a factor: few where the factor must not cost accuracy, as many as the panel holds where it may.
_SPAN_GEMV = {1: 1024, 3: 64}
_SPAN_GEMM = {1: 1024, 3: 128}


def fits(weights: LowBit) -> bool:
    """Whether this processor multiplies bytes, and the weights are on a grid."""
    return weights.uniform and _multiplies_bytes()


def pays(weights: LowBit) -> bool:
    """Whether a product is faster so than in float32: it must be worth bringing activations to digits."""
    return fits(weights) and weights.outputs >= _FEWEST_OUTPUTS


@cache
def _multiplies_bytes() -> bool:
    return wide() and has("avx512vnni")


def span(weights: LowBit, inputs: int) -> int:
    """How many inputs share a factor: `inputs`, or a divisor of it where scales change more often."""
    return inputs if weights.run >= weights.inputs else gcd(inputs, weights.run)


def rounded(weights: LowBit, x: Floats) -> Floats:
    """Activations [batch, in] as 8 bits can tell them apart, what the products with one digit work on."""
    width = span(weights, _SPAN_GEMV[1])
    spans = -(-x.shape[1] // width)
    padded = np.zeros((x.shape[0], spans, width), np.float32)
    padded.reshape(x.shape[0], -1)[:, : x.shape[1]] = x
    factor = np.abs(padded).max(axis=2, keepdims=True) / _TOP[1]
    steps = np.rint(padded / np.where(factor > 0, factor, np.float32(1)))
    return np.ascontiguousarray((steps * factor).reshape(x.shape[0], -1)[:, : x.shape[1]])


def product(weights: LowBit, x: Floats, digits: int, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    (gemv if len(x) == 1 else gemm)(weights, x, digits, bias, y, threads)


def gemv(weights: LowBit, x: Floats, digits: int, bias: Floats, y: Floats, threads: int) -> None:
    """W x + bias for x [1, in], to y [1, out]."""
    width = span(weights, _SPAN_GEMV[digits])
    arguments = (*weights.arguments, x, width // INPUTS, _TOP[digits], bias, y)
    strips = -(-weights.outputs // OUTPUTS)
    split(_kernel("gemv", weights.bits, digits), strips, threads, *arguments, step=STRIPS)


def gemm(weights: LowBit, x: Floats, digits: int, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    width, step = span(weights, _SPAN_GEMM[digits]), batch_step(digits)
    groups, quads, spans = -(-x.shape[0] // step), -(-x.shape[1] // 4), -(-x.shape[1] // width)
    numbers = aligned(groups * quads * digits * step, np.uint32)
    sums, factors = np.empty(groups * spans * digits * step, np.float32), np.empty(groups * spans * step, np.float32)
    place = (width, digits, step, _TOP[digits], numbers, sums, factors)
    split(to_digits, groups, threads, x, *place)
    arguments = (*weights.arguments, numbers, sums, factors, width // INPUTS, x.shape[0], bias, y.reshape(-1))
    strips = -(-weights.outputs // OUTPUTS)
    split(_kernel("gemm", weights.bits, digits), strips, threads, *arguments, step=STRIPS)


@cache
def _kernel(product: str, bits: int, digits: int) -> Any:
    name = f"_{product}_{bits}_{digits}"
    source = gemv_source if product == "gemv" else gemm_source
    return generated(__name__, name, lambda: source(name, bits, digits))


@jit
def to_digits(x, width, digits, step, top, numbers, sums, factors, start, stop):  # type: ignore[no-untyped-def]
    """Groups start..stop−1 of `step` rows of x in digits, as `_fixed_source` describes."""
    batch, inputs = x.shape
    patterns = x.view(np.uint32)
    quads, spans = (inputs + 3) // 4, (inputs + width - 1) // width  # four inputs make a quad
    memory = np.zeros((3, width), np.int8)
    four = memory.view(np.uint32)
    bound = np.empty(1, np.float32)
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
                if digits == 1:
                    for k in range(count):
                        number = np.int32(np.rint(x[at, first + k] * inverse))
                        memory[0, k] = number
                        total0 += number
                else:
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
                for digit in range(digits):
                    sums[(place * digits + digit) * step + row] = (
                        total0 if digit == 0 else total1 if digit == 1 else total2
                    )
                    to = (group * quads + first // 4) * digits * step + digit * step + row
                    for quad in range(min(width, quads * 4 - first) // 4):
                        numbers[to + quad * digits * step] = four[digit, quad]
