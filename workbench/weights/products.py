"""From what an encoding stores to the kernel that multiplies with it.

The packed network is to stay as small in memory as it is on disk. So weights are multiplied from the stored bytes
themselves, unless every weight as a code of a few bits, zeros too, takes no more than 15 % of room beyond these: such
products are faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.lowbit.convolution import LowBitConvolution
from workbench.kernels.sparse.convolution import SparseConvolution
from workbench.kernels.sparse.stream import EVERY, SparseStream
from workbench.weights.encoding import Convolution, Kernel
from workbench.weights.encodings._stream import FloatStream, Positions, Stream
from workbench.weights.levels import Floats

_ROOM = 1.15


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


def every_weight(stream: Stream, shape: tuple[int, ...], use: Convolution | None) -> Kernel | None:
    """For a stream that lists all weights of a tensor of `shape`; None where they are float32."""
    if isinstance(stream, FloatStream):
        return None
    listed = SparseStream.of(_matrix(shape), np.empty(0, np.uint8), EVERY, None, stream.listed(shape))
    return _packed(stream, None, shape, use, listed.nbytes) or _streamed(listed, shape, use)


def survivors_only(
    stream: Stream,
    places: NDArray[np.uint8],
    width: int,
    positions: Positions,
    shape: tuple[int, ...],
    use: Convolution | None,
) -> Kernel:
    """For a stream that lists the weights at `positions`; the others are zero.

    places, width: these positions as they are stored, see `SparseStream`.
    """
    listed = SparseStream.of(_matrix(shape), places, width, positions, stream.listed(shape))
    return _packed(stream, positions, shape, use, listed.nbytes) or _streamed(listed, shape, use)


def _streamed(matrix: SparseStream, shape: tuple[int, ...], use: Convolution | None) -> Kernel:
    if use is None:
        return matrix
    return SparseConvolution(matrix, _four(shape), use.stride, use.padding, use.dilation, use.groups)


def _packed(
    stream: Stream, positions: Positions | None, shape: tuple[int, ...], use: Convolution | None, nbytes: int
) -> Kernel | None:
    """All weights as codes; None where the kernels cannot take them so, or in too much more than `nbytes`."""
    weights = stream.low_bit(shape, positions)
    if weights is None or weights.nbytes > _ROOM * nbytes:
        return None
    if use is None:
        return PackedMatrix(weights)
    return LowBitConvolution(_four(shape), use.stride, use.padding, use.dilation, weights, use.groups)


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    out, channels, height, width = shape
    return out, channels, height, width
