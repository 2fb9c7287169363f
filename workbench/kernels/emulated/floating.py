"""Matrix products in a narrow floating point, where every product and every sum is rounded.

Numbers of the format (1, e, m) come as float64, in which a product or a sum of two is rounded once; rounded again to m
bits it is what the narrow machine gives, since 52 ≥ 2 m + 2 (Figueroa, When is double rounding innocuous?, 1995).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit

Doubles = NDArray[np.float64]

_WIDEST = 23  # bits of a mantissa


def rounded_product(a: Doubles, b: Doubles, exponent: int, mantissa: int, chunk: int) -> Doubles:
    """a [rows, depth] times b [depth, columns], numbers of (1, exponent, mantissa), float64 in C order.

    Sums run from the first product to the last within a chunk of the depth, each from zero, and then from chunk to
    chunk (Wang, Choi, Brand, Chen, Gopalakrishnan, NeurIPS 2018, section 3.1). Rounding is to nearest, halves to even;
    what is beyond the largest number becomes that. Raises ValueError where the two do not fit, for a mantissa beyond 23
    bits, and for an exponent beyond 8.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or a.dtype != np.float64 or b.dtype != np.float64:
        raise ValueError(f"Matrices {a.shape} {a.dtype} and {b.shape} {b.dtype} have no product here.")
    if not (0 <= mantissa <= _WIDEST and 2 <= exponent <= 8 and chunk >= 1):
        raise ValueError(f"A product of chunks of {chunk} in (1, {exponent}, {mantissa}) is not emulated.")
    y = np.zeros((a.shape[0], b.shape[1]))
    _multiply(np.ascontiguousarray(a), np.ascontiguousarray(b), *_format(exponent, mantissa), chunk, y)
    return y


def rounded_sum(a: Doubles, b: Doubles, exponent: int, mantissa: int) -> Doubles:
    """Each number of `a` plus the one of `b`, of the same shape, rounded as in `rounded_product`."""
    if a.shape != b.shape:
        raise ValueError(f"Tensors of {a.shape} and {b.shape} are not added here.")
    y = np.empty(a.size)
    _add(np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(b).reshape(-1), *_format(exponent, mantissa), y)
    return y.reshape(a.shape)


def _format(exponent: int, mantissa: int) -> tuple[np.int64, float, float, float]:
    """Bits of a float64 that go; smallest normal number; what is added to a smaller one and taken away; the largest."""
    bias = 2 ** (exponent - 1) - 1
    smallest = 2.0 ** (1 - bias)
    return np.int64(52 - mantissa), smallest, 1.5 * 2.0 ** (52 + 1 - bias - mantissa), (2 - 2.0**-mantissa) * 2.0**bias


@jit
def _rounded(x, cut, smallest, anchor, largest):  # type: ignore[no-untyped-def]
    bits = np.float64(x).view(np.int64)
    kept = bits + ((np.int64(1) << (cut - 1)) - 1 + ((bits >> cut) & 1))
    near = np.int64((kept >> cut) << cut).view(np.float64)
    if abs(x) < smallest:
        near = (x + anchor) - anchor
    return min(max(near, -largest), largest)


@jit
def _multiply(a, b, cut, smallest, anchor, largest, chunk, y):  # type: ignore[no-untyped-def]
    rows, depth = a.shape
    columns = b.shape[1]
    part = np.empty(columns)
    for row in range(rows):
        for start in range(0, depth, chunk):
            part[:] = 0
            for k in range(start, min(start + chunk, depth)):
                left = a[row, k]
                for column in range(columns):
                    product = _rounded(left * b[k, column], cut, smallest, anchor, largest)
                    part[column] = _rounded(part[column] + product, cut, smallest, anchor, largest)
            for column in range(columns):
                y[row, column] = _rounded(y[row, column] + part[column], cut, smallest, anchor, largest)


@jit
def _add(a, b, cut, smallest, anchor, largest, y):  # type: ignore[no-untyped-def]
    for place in range(a.size):
        y[place] = _rounded(a[place] + b[place], cut, smallest, anchor, largest)
