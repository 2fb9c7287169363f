"""Products of weights packed to 1-8 bits with activations: y = W x and Y = X Wᵀ, decoded on the way, never in memory.

With float32 activations a result is as accurate as the float32 difference of two products, of the codes and of the
zero points. Where the processor multiplies bytes (VNNI) and the weights are on a grid, activations are taken as whole
numbers of 24 bits times a factor that a run of 64 inputs (128 in a product of matrices) shares: off by 2^-24 of the
run's largest at most, and summed exactly inside the run; a run whose largest is below 1e-31 counts as zero. With int8
activations they are rounded to 8 bits: faster, and less accurate by far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _lowbit_fixed, _lowbit_float
from workbench.kernels.lowbit_weights import LowBit, affine, codebook

__all__ = ["LowBit", "affine", "codebook", "gemm", "gemm_int8", "gemv", "gemv_int8"]

Floats = NDArray[np.float32]


def gemv(weights: LowBit, x: Floats, *, threads: int = 1) -> Floats:
    """W x: float32 [in] to [out]. Raises ValueError for an x of another shape."""
    x = _vector(weights, x)
    if not weights.packed.size:
        return np.zeros(weights.outputs, np.float32)
    if _lowbit_fixed.fits(weights):
        return _lowbit_fixed.gemv(weights, x, 3, threads)[: weights.outputs]
    return _lowbit_float.gemv(weights, x, threads)[: weights.outputs]


def gemv_int8(weights: LowBit, x: Floats, *, threads: int = 1) -> Floats:
    """W x with x [in] rounded to 8 bits, a scale for each run of inputs that `_lowbit_fixed.span` tells.

    Raises ValueError for an x of another shape.
    """
    x = _vector(weights, x)
    if not weights.packed.size:
        return np.zeros(weights.outputs, np.float32)
    if _lowbit_fixed.fits(weights):
        return _lowbit_fixed.gemv(weights, x, 1, threads)[: weights.outputs]
    return _lowbit_float.gemv(weights, _lowbit_fixed.rounded(weights, x[None])[0], threads)[: weights.outputs]


def gemm(weights: LowBit, x: Floats, *, threads: int = 1) -> Floats:
    """X Wᵀ: float32 [batch, in] to [batch, out]. Raises ValueError for an x of another shape."""
    x = _matrix(weights, x)
    if not weights.packed.size or not x.shape[0]:
        return np.zeros((x.shape[0], weights.outputs), np.float32)
    if _lowbit_fixed.fits(weights):
        y = _lowbit_fixed.gemm(weights, x, 3, threads)
    else:
        y = _lowbit_float.gemm(weights, x, threads)
    return np.ascontiguousarray(y[: x.shape[0], : weights.outputs])


def gemm_int8(weights: LowBit, x: Floats, *, threads: int = 1) -> Floats:
    """X Wᵀ with x [batch, in] rounded to 8 bits, see `gemv_int8`. Raises ValueError for an x of another shape."""
    x = _matrix(weights, x)
    if not weights.packed.size or not x.shape[0]:
        return np.zeros((x.shape[0], weights.outputs), np.float32)
    if _lowbit_fixed.fits(weights):
        y = _lowbit_fixed.gemm(weights, x, 1, threads)
    else:
        y = _lowbit_float.gemm(weights, _lowbit_fixed.rounded(weights, x), threads)
    return np.ascontiguousarray(y[: x.shape[0], : weights.outputs])


def _vector(weights: LowBit, x: Floats) -> Floats:
    x = np.ascontiguousarray(x, np.float32)
    if x.shape != (weights.inputs,):
        raise ValueError(f"The activations are [{weights.inputs}], not {list(x.shape)}.")
    return x


def _matrix(weights: LowBit, x: Floats) -> Floats:
    x = np.ascontiguousarray(x, np.float32)
    if x.ndim != 2 or x.shape[1] != weights.inputs:
        raise ValueError(f"The activations are [batch, {weights.inputs}], not {list(x.shape)}.")
    return x
