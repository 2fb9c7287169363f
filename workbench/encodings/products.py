"""From what an encoding stores to the kernel that multiplies with it.

Of the layouts that hold a tensor the one that takes the fewest bytes is chosen: the packed network is to stay as small
in memory as it is on disk, and at batch 1 a product waits for the bytes of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.encoding import Convolution, Kernel
from workbench.encodings._stream import FloatStream, Positions, Stream
from workbench.form import Floats
from workbench.kernels import lowbit
from workbench.kernels._survivors import Survivors
from workbench.kernels.lowbit_convolution import LowBitConvolution
from workbench.kernels.sparse import unstructured
from workbench.kernels.sparse_bitmask import Bitmask
from workbench.kernels.sparse_convolution import SparseConvolution
from workbench.kernels.sparse_csr import RowCsr
from workbench.kernels.sparse_panel import PANEL, PanelCsr


@dataclass(frozen=True, eq=False)
class PackedMatrix:
    """Every weight of a matrix, packed."""

    weights: lowbit.LowBit

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]."""
        if len(x) == 1:
            y = lowbit.gemv(self.weights, x[0], threads=threads)[None]
        else:
            y = lowbit.gemm(self.weights, x, threads=threads)
        if bias is not None:
            y += bias
        return y


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """The survivors of a matrix."""

    matrix: RowCsr | PanelCsr | Bitmask

    @property
    def nbytes(self) -> int:
        return self.matrix.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]."""
        if len(x) == 1:
            return self.matrix.multiply(x[0], bias, threads)[None]
        return np.ascontiguousarray(self.matrix.multiply(np.ascontiguousarray(x.T), bias, threads).T)


def every_weight(stream: Stream, shape: tuple[int, ...], use: Convolution | None) -> Kernel | None:
    """For a stream that lists all weights of a tensor of `shape`; None where they are float32."""
    if isinstance(stream, FloatStream):
        return None
    packed = _packed(stream, None, shape, use)
    return packed or _smallest(_sparse(stream.survivors(np.arange(math.prod(shape)), _matrix(shape)), shape, use))


def survivors_only(stream: Stream, positions: Positions, shape: tuple[int, ...], use: Convolution | None) -> Kernel:
    """For a stream that lists the weights at `positions`; the others are zero.

    Many survivors of few bits take less when the zeros, too, are stored as codes.
    """
    sparse = _sparse(stream.survivors(positions, _matrix(shape)), shape, use)
    packed = _packed(stream, positions, shape, use)
    return _smallest(sparse if packed is None else (packed, *sparse))


def _smallest(kernels: Iterator[Kernel] | tuple[Kernel, ...]) -> Kernel:
    return min(kernels, key=lambda one: one.nbytes)


def _packed(
    stream: Stream, positions: Positions | None, shape: tuple[int, ...], use: Convolution | None
) -> Kernel | None:
    """All weights as codes, or None where the kernels cannot take them so."""
    if use is not None and use.groups > 1:
        return None
    weights = stream.low_bit(positions, shape)
    if weights is None:
        return None
    if use is None:
        return PackedMatrix(weights)
    return LowBitConvolution(_four(shape), use.stride, use.padding, use.dilation, weights)


def _sparse(survivors: Survivors, shape: tuple[int, ...], use: Convolution | None) -> Iterator[Kernel]:
    if use is not None:
        yield SparseConvolution.of(survivors, _four(shape), use.stride, use.padding, use.dilation, use.groups)
        return
    yield SparseMatrix(unstructured(survivors, columns=1))
    if survivors.levels is None or survivors.levels.groups == 1 or survivors.levels.group <= PANEL:
        yield SparseMatrix(PanelCsr.of(survivors))


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    out, channels, height, width = shape
    return out, channels, height, width
