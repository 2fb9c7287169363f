"""From what an encoding stores to the kernel that multiplies with it.

The packed network is to stay as small in memory as it is on disk. So weights are multiplied from the stored bytes
themselves, unless every weight as a code of a few bits, zeros too, takes no more than 15 % of room beyond these: such
products are faster. Matrices of float32 values whose places keep to a pattern (N:M, blocks) have kernels of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.lowbit.convolution import LowBitConvolution
from workbench.kernels.sparse.convolution import SparseConvolution
from workbench.kernels.sparse.stream import SparseStream
from workbench.weights.arrays import Floats, Positions
from workbench.weights.encoding import Convolution, Kernel
from workbench.weights.places import Columns, Places
from workbench.weights.values import FLOAT32, Values

ROOM = 1.15


@dataclass(frozen=True, eq=False)
class PackedMatrix:
    """Every weight of a matrix, packed."""

    weights: lowbit.LowBit

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]."""
        return lowbit.gemm(self.weights, x, bias, threads=threads)


@dataclass(frozen=True, eq=False)
class PatternedMatrix:
    """A matrix whose zeros keep to a pattern, multiplied by the kernel for it."""

    matrix: Columns

    @property
    def nbytes(self) -> int:
        return self.matrix.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]."""
        return np.ascontiguousarray(self.matrix.multiply(x.T, bias, threads).T)


def product(values: Values, places: Places, shape: tuple[int, ...], use: Convolution | None) -> Kernel | None:
    """For `values` listed at `places` of a tensor of `shape`; the other weights are zero.

    None where nothing is gained over float32 values: all are float32, or no kernel takes their levels.
    """
    positions = places.positions(shape)
    listed = values.listed(shape)
    if listed is None or (positions is None and values.kind == FLOAT32):
        return None
    stream = SparseStream.of(_matrix(shape), *places.stream(), positions, listed)
    columns = places.matrix(listed) if use is None else None
    if columns is not None and columns.nbytes <= ROOM * stream.nbytes:
        return PatternedMatrix(columns)
    return _packed(values, positions, shape, use, stream.nbytes) or _streamed(stream, shape, use)


def _streamed(matrix: SparseStream, shape: tuple[int, ...], use: Convolution | None) -> Kernel:
    if use is None:
        return matrix
    return SparseConvolution(matrix, _four(shape), use.stride, use.padding, use.dilation, use.groups)


def _packed(
    values: Values, positions: Positions | None, shape: tuple[int, ...], use: Convolution | None, nbytes: int
) -> Kernel | None:
    """All weights as codes; None where the kernels cannot take them so, or in too much more than `nbytes`."""
    weights = values.low_bit(shape, positions)
    if weights is None or weights.nbytes > ROOM * nbytes:
        return None
    if use is None:
        return PackedMatrix(weights)
    return LowBitConvolution(_four(shape), use.stride, use.padding, use.dilation, weights, use.groups)


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    out, channels, height, width = shape
    return out, channels, height, width
