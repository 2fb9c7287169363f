"""Layers on grids beside their slow and obvious forms, in which every sum is exact."""

import numpy as np
import pytest

from tests import naive
from workbench.kernels.binary.grids import Grid, GridConvolution, GridMatrix, GridWeights

# images, channels, outputs, height, width, kernel, stride, padding, dilation
CONVOLUTIONS = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1)),
    (2, 3, 5, 7, 6, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 70, 33, 6, 6, (3, 2), (1, 2), (2, 1), (2, 2)),
]
BITS = [(1, 1), (1, 4), (2, 2), (4, 1), (8, 8)]  # of weights, of inputs


def entering(bits: int) -> Grid:
    return Grid(bits, 0.4, min(1, 2**bits - 1))


def made(random: np.random.Generator, bits: int, shape: tuple[int, ...], grid: Grid):
    """The weights packed, and in float64."""
    codes = random.integers(0, 2**bits, shape, dtype=np.uint8)
    scale = random.uniform(0.1, 1, shape[0]).astype(np.float32)
    point = (
        np.full(shape[0], 0.5, np.float32) if bits == 1 else random.integers(0, 2**bits, shape[0]).astype(np.float32)
    )
    spread = (-1, *[1] * (len(shape) - 1))
    values = scale.astype(np.float64).reshape(spread) * (codes - point.astype(np.float64).reshape(spread))
    return GridWeights.of(codes, bits, scale, point, grid), values


def rounded(x: np.ndarray, grid: Grid) -> np.ndarray:
    codes = [naive.fake_quantized(value, grid.scale, grid.zero_point, 2**grid.bits - 1)[0] for value in x.reshape(-1)]
    return grid.scale * (np.array(codes, np.float64).reshape(x.shape) - grid.zero_point)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 31, 5), (7, 100, 40), (0, 4, 2)])
def test_a_matrix(bits, shape, threads):
    random = np.random.default_rng(3)
    rows, depth, outputs = shape
    grid = entering(bits[1])
    x = random.normal(0, 1, (rows, depth)).astype(np.float32)
    weights, values = made(random, bits[0], (outputs, depth), grid)
    bias = random.standard_normal(outputs, dtype=np.float32)
    expected = rounded(x, grid) @ values.T
    np.testing.assert_allclose(GridMatrix(weights).multiply(x, bias, threads), expected + bias, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(GridMatrix(weights).multiply(x, None, threads), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_convolution_whose_padding_is_zero_whatever_the_zero_point(bits, case, threads):
    random = np.random.default_rng(4)
    images, channels, outputs, height, width, kernel, stride, padding, dilation = case
    grid = entering(bits[1])
    x = random.normal(0, 1, (images, channels, height, width)).astype(np.float32)
    weights, values = made(random, bits[0], (outputs, channels, *kernel), grid)
    bias = random.standard_normal(outputs, dtype=np.float32)
    expected = naive.sparse_convolution(values, rounded(x, grid), bias, stride, padding, dilation, 1)
    layer = GridConvolution(weights, stride, padding, dilation)
    np.testing.assert_allclose(layer.multiply(x, bias, threads), expected, rtol=1e-6, atol=1e-6)
