"""Product of codebook weights with one vector by tables of products, where a register holds no table of 16 floats.

The products of a run of 256 inputs with all levels are whole numbers of 23 bits times one factor: each is off by 2^-23
of the largest at most, and they are summed exactly inside the run.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.lowbit.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit.fixed import FEW
from workbench.kernels.lowbit.strips import rest_quad, widened
from workbench.kernels.lowbit.tables_source import PLANE_BITS, PLANES, gemv_source
from workbench.kernels.lowbit.weights import LowBit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import by_byte, lookup16, part
from workbench.kernels.vector.registers import convert, fma, load, prefetch, splat, spread, store, view
from workbench.kernels.vector.stretches import clear, scratch

Floats = NDArray[np.float32]

# Largest whole number that a product becomes; it is raised by 2^22 to be positive.
_TOP = np.float32(4194000)
# Added to a smaller float32 by a fused multiplication, it leaves the nearest whole number plus 2^22 in the lowest bits.
_ROUNDING = np.float32(1.5 * 2**23)
_FEWEST_OUTPUTS = 256  # from which on tables pay
_SPAN = 8  # blocks whose products share a factor
_CHUNK = 1  # spans whose tables stay in the first-level cache: 64 bytes an input


def pays(weights: LowBit, batch: int) -> bool:
    """Whether a product with `batch` rows is faster so, one by one, than in float32."""
    if (
        weights.uniform
        or batch > FEW
        or weights.bits > 4
        or weights.outputs < _FEWEST_OUTPUTS
        or wide()
        or not has("avx2")
    ):
        return False
    return bool(0 < np.abs(weights.levels).max() < np.inf)


def product(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """X Wᵀ + bias for x [batch, in], to y [batch, out]."""
    for row in range(len(x)):
        gemv(weights, x[row : row + 1], bias, y[row : row + 1], threads)


def gemv(weights: LowBit, x: Floats, bias: Floats, y: Floats, threads: int) -> None:
    """W x + bias for x [1, in], to y [1, out]."""
    inputs = weights.inputs
    largest = np.abs(weights.levels).max()
    levels = np.zeros(16, np.float32)
    levels[: weights.levels.size] = weights.levels / largest
    quads, spans = -(-inputs // 4), -(-inputs // (_SPAN * INPUTS))
    tables, factors = aligned(quads * PLANES * 64, np.uint8), np.empty(spans, np.float32)
    split(to_tables, spans, threads, x[0], levels, largest, _SPAN * INPUTS, tables, factors)
    arguments = (*weights.arguments, tables, factors, _SPAN, _CHUNK, bias, y)
    split(_gemv(weights.bits), -(-weights.outputs // OUTPUTS), threads, *arguments)


@cache
def _gemv(bits: int) -> Any:
    name = f"_gemv_{bits}"
    return generated(__name__, name, lambda: gemv_source(name, bits))


@jit
def to_tables(x, levels, largest, span, tables, factors, start, stop):  # type: ignore[no-untyped-def]
    """Tables and factor of spans start..stop−1 of `span` inputs; levels: 16, none above 1."""
    patterns = x.view(np.uint32)
    bound = scratch(1, np.float32)
    column, rounding = load(levels, 0, 16), splat(_ROUNDING, 16)
    last = (x.size + 3) // 4 * 4
    for one in range(start, stop):
        most = np.uint32(0)
        for k in range(one * span, min(one * span + span, x.size)):  # as a number, so that NaN counts as the largest
            most = max(most, patterns[k] & np.uint32(0x7FFFFFFF))
        bound.view(np.uint32)[0] = most
        size = bound[0]
        inverse = _TOP / size if size > 0 else np.float32(0)
        if not np.isfinite(inverse):  # so small that its inverse overflows: not told from zero
            inverse, size = np.float32(0), np.float32(0)
        factors[one] = np.float64(size) * np.float64(largest) / np.float64(_TOP)
        for k in range(one * span, min(one * span + span, last)):
            number = np.float32(x[k] * inverse if k < x.size else 0)
            found = view(fma(column, splat(number, 16), rounding), np.uint32) & np.uint32(2**23 - 1)
            to = k // 4 * (PLANES * 64) + k % 4 * 16
            for plane in range(PLANES):
                digit = (found >> np.uint32(PLANE_BITS * plane)) & np.uint32(2**PLANE_BITS - 1)
                store(tables, to + plane * 64, convert(digit, np.uint8))


@jit
def places_of(output):  # type: ignore[no-untyped-def]
    """Where the sums of an output of a strip begin: the order of `by_byte`, in even and then in odd bytes."""
    quarter = output // 4
    byte = (0 if quarter == 0 else 8 if quarter == 1 else 4 if quarter == 2 else 12) + output % 4
    return byte // 2 + (byte % 2) * 16
