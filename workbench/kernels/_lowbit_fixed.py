"""Products of packed weights on a grid with activations in fixed point, through dot products of bytes (VNNI).

An activation is digits of base 256 times a factor that a span of inputs shares: three digits hold what float32 does,
one is the usual int8. Products of codes with digits are summed as whole numbers, exactly; the zero point is taken off.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _threads
from workbench.kernels._features import has, wide
from workbench.kernels._fixed_source import TILES, batch_step, gemm_source, gemv_source
from workbench.kernels._generate import generated
from workbench.kernels._jit import jit
from workbench.kernels._memory import aligned
from workbench.kernels._vector import (  # noqa: F401 (names in generated code)
    convert,
    dot_u8_i8,
    fma,
    load,
    splat,
    spread,
    store,
    view,
)
from workbench.kernels.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lanes import ROWS
from workbench.kernels.lowbit_weights import LowBit

Floats = NDArray[np.float32]

# Largest whole number that an activation becomes. Three digits, -128 to 127 each, reach 8355711; rounding needs room.
_TOP = {1: np.float32(127), 3: np.float32(8355000)}
# Inputs that share a factor: few where the factor must not cost accuracy, as many as the panel holds where it may.
_SPAN_GEMV = {1: 1024, 3: 64}
_SPAN_GEMM = {1: 1024, 3: 128}


def fits(weights: LowBit) -> bool:
    """Whether this processor multiplies bytes, and the weights are on a grid."""
    return weights.uniform and wide() and has("avx512vnni")


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


def gemv(weights: LowBit, x: Floats, digits: int, threads: int) -> Floats:
    """W x for x [in], as [16 · tiles]."""
    across, blocks = weights.packed.shape[:2]
    width = span(weights, _SPAN_GEMV[digits])
    numbers, sums, factors = _digits(x[None], blocks, width, digits, 1, 1)
    y = np.empty(across * OUTPUTS, np.float32)
    run = max(1, weights.run // width) if weights.run < weights.inputs else factors.size
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    arguments = (weights.packed.reshape(-1), *scales, numbers, sums, factors, width // INPUTS, run, y)
    _threads.split(_kernel("gemv", weights.bits, digits), across, threads, *arguments, step=TILES)
    return y


def gemm(weights: LowBit, x: Floats, digits: int, threads: int) -> Floats:
    """X Wᵀ for x [batch, in], as [batch or some rows more, 16 · tiles]."""
    across, blocks = weights.packed.shape[:2]
    width, step = span(weights, _SPAN_GEMM[digits]), batch_step(digits)
    rows = -(-x.shape[0] // step)
    numbers, sums, factors = _digits(x, blocks, width, digits, step, threads)
    y = aligned((rows * step, across * OUTPUTS), np.float32)
    run = weights.run // width if weights.run < weights.inputs else factors.size
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    sizes = width // INPUTS, run, rows, y.reshape(-1), across
    arguments = (weights.packed.reshape(-1), *scales, numbers, sums, factors, *sizes)
    _threads.split(_kernel("gemm", weights.bits, digits), across, threads, *arguments, step=TILES)
    return y


def _kernel(product: str, bits: int, digits: int) -> Any:
    name = f"_{product}_{bits}_{digits}"
    source = gemv_source if product == "gemv" else gemm_source
    return generated(__name__, name, lambda: source(name, bits, digits))


def _digits(
    x: Floats, blocks: int, width: int, digits: int, step: int, threads: int
) -> tuple[NDArray[np.uint32], Floats, Floats]:
    """x [batch, in] in digits, `step` rows side by side: numbers, sums and factors as `gemm_source` takes them."""
    rows, spans = -(-x.shape[0] // step), -(-blocks * INPUTS // width)
    numbers = aligned(rows * ROWS * blocks * digits * step, np.uint32)
    sums, factors = np.empty(rows * spans * digits * step, np.float32), np.empty(rows * spans * step, np.float32)
    arguments = (x, x.view(np.uint32), width, spans, digits, step, _TOP[digits], numbers, sums, factors)
    _threads.split(_to_digits, rows, threads, *arguments)
    return numbers, sums, factors


@jit
def _to_digits(x, patterns, width, spans, digits, step, top, numbers, sums, factors, start, stop):  # type: ignore[no-untyped-def]
    batch, inputs = x.shape
    quads = numbers.size // (((batch + step - 1) // step) * digits * step)  # four inputs each
    memory = np.zeros((3, width), np.int8)
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
                size = _float_of(largest)
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
                words = memory.view(np.uint32)
                for digit in range(digits):
                    sums[(place * digits + digit) * step + row] = (
                        total0 if digit == 0 else total1 if digit == 1 else total2
                    )
                    to = (group * quads + first // 4) * digits * step + digit * step + row
                    for quad in range(min(width, quads * 4 - first) // 4):
                        numbers[to + quad * digits * step] = words[digit, quad]


@jit
def _float_of(pattern):  # type: ignore[no-untyped-def]
    return np.array([pattern], np.uint32).view(np.float32)[0]
