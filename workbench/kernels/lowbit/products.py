"""Products of weights packed to 1-8 bits with activations: y = W x and Y = X Wᵀ, decoded on the way, never in memory.

A result is as accurate as the float32 difference of two products, of the codes and of the zero points. Some larger
products are summed as whole numbers, exactly, in runs of 128 inputs that share a factor; a run whose largest activation
is below 1e-31 counts as zero. Where bytes are multiplied (VNNI; AVX2 for few rows), activations of weights on a grid
are so taken with 24 bits, off by 2^-24 of the run's largest at most. With AVX2, products of few rows with a codebook of
up to 4 bits are taken with 23 bits, off by 2^-23 of the largest in the run at most.

A bias, float32 [out], is added on the way. All functions raise ValueError for activations or a bias of another shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit import fixed, floating, tables
from workbench.kernels.lowbit.weights import LowBit, affine, codebook

__all__ = ["LowBit", "affine", "codebook", "gemm", "gemv"]

Floats = NDArray[np.float32]


def gemv(weights: LowBit, x: Floats, bias: Floats | None = None, *, threads: int = 1) -> Floats:
    """W x + bias: float32 [in] to [out]."""
    return gemm(weights, _row(weights, x), bias, threads=threads)[0]


def gemm(weights: LowBit, x: Floats, bias: Floats | None = None, *, threads: int = 1) -> Floats:
    """X Wᵀ + bias: float32 [batch, in] to [batch, out]. A single row goes through the product with a vector."""
    x, bias, y = _operands(weights, x, bias)
    if not weights.packed.size or not x.shape[0]:
        y[...] = bias
    elif tables.pays(weights, len(x)):
        tables.product(weights, x, bias, y, threads)
    elif fixed.pays(weights, len(x)):
        fixed.product(weights, x, bias, y, threads)
    else:
        floating.product(weights, x, bias, y, threads)
    return y


def _row(weights: LowBit, x: Floats) -> Floats:
    if x.shape != (weights.inputs,):
        raise ValueError(f"The activations are [{weights.inputs}], not {list(x.shape)}.")
    return x.reshape(1, -1)


def _operands(weights: LowBit, x: Floats, bias: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Activations and bias as the kernels take them, and room for the result."""
    x = np.ascontiguousarray(x, np.float32)
    if x.ndim != 2 or x.shape[1] != weights.inputs:
        raise ValueError(f"The activations are [batch, {weights.inputs}], not {list(x.shape)}.")
    if bias is None:
        bias = np.zeros(weights.outputs, np.float32)
    else:
        bias = np.ascontiguousarray(bias, np.float32)
        if bias.shape != (weights.outputs,):
            raise ValueError(f"A bias for {weights.outputs} outputs is [{weights.outputs}], not {list(bias.shape)}.")
    return x, bias, np.empty((x.shape[0], weights.outputs), np.float32)
