"""Layers whose weights and inputs lie on grids of few levels: float32 in, float32 out, exact whole numbers between.

An input is rounded to s (c − z), weights are t (d − w) with codes c and d. A sum of products is then

    s t [Σ c d − w Σ c − z (Σ d − n w)]

where Σ c d comes from the products of bit planes, and everything in the brackets is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.binary.convolution import Pair
from workbench.kernels.binary.planes import (
    Codes,
    PlaneWeights,
    Sums,
    conv_planes,
    gemm_planes,
    pack_plane_weights,
    pack_planes,
)
from workbench.kernels.compiler.jit import jit
from workbench.kernels.statistics.fake_quantize import fake_quantize
from workbench.kernels.threads.shares import split

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """What enters a layer: scale · (code − zero point), codes of so many bits, the zero point one of them."""

    bits: int
    scale: float
    zero_point: int

    def codes(self, x: Floats, threads: int) -> Codes:
        """The codes nearest to `x`, float32 of any shape."""
        flat = np.ascontiguousarray(x).reshape(max(len(x), 1), -1)
        found = np.empty(flat.shape, np.uint8)
        scale, zero_point = (np.full(1, one, np.float32) for one in (self.scale, self.zero_point))
        fake_quantize(flat, scale, zero_point, 2**self.bits - 1, None, found, threads)
        return found.reshape(x.shape)


@dataclass(frozen=True)
class Gates(Grid):
    """−1, 0 and 1 as codes 0, 1 and 2: 0 for what is no larger than the threshold in size.

    Of ternary weights a product is then a gated XNOR: it is not zero where neither operand is.
    """

    threshold: float

    def codes(self, x: Floats, threads: int) -> Codes:
        """The codes of `x`, float32 of any shape."""
        reach = np.float32(self.threshold)
        return (1 + (x > reach).view(np.int8) - (x < -reach).view(np.int8)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class GridWeights:
    """planes: of the codes. scale, zero_point: t and w of each output. entering: the grid of what enters."""

    planes: PlaneWeights
    scale: Floats
    zero_point: Floats
    entering: Grid

    @classmethod
    def of(cls, codes: Codes, bits: int, scale: Floats, zero_point: Floats, entering: Grid) -> GridWeights:
        """codes: uint8 [out, in] or [out, in, kh, kw]; scale, zero_point: [out]."""
        return cls(pack_plane_weights(codes, bits), scale.copy(), zero_point.copy(), entering)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in (self.planes.words, self.planes.sums, self.scale, self.zero_point))

    def finished(self, products: Sums, sums: Sums, bias: Floats | None, threads: int) -> Floats:
        """float32 [rows, outputs] of Σ c d [rows, outputs] and Σ c [rows]."""
        y = np.empty(products.shape, np.float32)
        bias = np.zeros(products.shape[1], np.float32) if bias is None else bias
        codes = self.planes.depth * self.planes.kernel[0] * self.planes.kernel[1]
        factor, points = self.scale * np.float64(self.entering.scale), self.zero_point.astype(np.float64)
        constant = self.entering.zero_point * (self.planes.sums[: self.planes.outputs] - codes * points)
        split(_finished, len(y), threads, products, sums, points, constant, factor, bias, y)
        return y


@dataclass(frozen=True, eq=False)
class GridMatrix:
    """x [batch, in], rounded, times a matrix on a grid."""

    weights: GridWeights

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]. Raises ValueError where x is of another width."""
        entering = self.weights.entering
        rows = pack_planes(entering.codes(x, threads), entering.bits)
        products = gemm_planes(rows, self.weights.planes, threads)
        return self.weights.finished(products, rows.sums, bias, threads)


@dataclass(frozen=True, eq=False)
class GridConvolution:
    """Images, rounded, convolved with a kernel on a grid; padding is zero."""

    weights: GridWeights
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [images, in, h, w] to [images, out, h', w'], channels last in memory.

        Raises ValueError where x is of another shape.
        """
        entering, planes = self.weights.entering, self.weights.planes
        window = self.stride, self.padding, self.dilation
        codes = entering.codes(x, threads)
        products, sums = conv_planes(codes, entering.bits, planes, *window, threads, outside=entering.zero_point)
        images, outputs, height, width = products.shape
        flat = products.transpose(0, 2, 3, 1).reshape(-1, outputs)
        y = self.weights.finished(flat, sums.reshape(-1), bias, threads)
        return y.reshape(images, height, width, outputs).transpose(0, 3, 1, 2)


@jit
def _finished(products, sums, zero_point, constant, factor, bias, y, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop."""
    for row in range(start, stop):
        total = np.float64(sums[row])
        for column in range(y.shape[1]):
            exact = products[row, column] - zero_point[column] * total - constant[column]
            y[row, column] = np.float32(factor[column] * exact + bias[column])
