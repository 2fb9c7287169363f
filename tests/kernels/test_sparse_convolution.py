import naive
import numpy as np
import pytest

from workbench.kernels._survivors import Levels, Survivors
from workbench.kernels.sparse_convolution import SparseConvolution

# images, in, height, width, out, kernel, stride, padding, dilation, groups
CASES = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, 9, 11, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 4, 8, 8, 6, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    (2, 4, 5, 5, 4, (3, 3), (1, 1), (1, 1), (1, 1), 4),
    (1, 1, 14, 13, 3, (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (2, 6, 7, 6, 4, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (1, 3, 10, 12, 2, (3, 5), (2, 3), (2, 4), (2, 1), 1),
    (1, 2, 5, 5, 3, (2, 2), (3, 1), (0, 3), (1, 1), 1),
    (3, 2, 1, 40, 2, (1, 3), (1, 1), (0, 1), (1, 1), 1),
    (1, 30, 5, 5, 70, (3, 3), (1, 1), (1, 1), (1, 1), 1),
]


# Planes are shared, and so copied, only where there is one group.
WAYS = [(case, copied) for case in CASES for copied in (False, True) if not copied or case[-1] == 1]


@pytest.mark.parametrize(("case", "copied"), WAYS)
@pytest.mark.parametrize("zeros", [0.7, 1.0])
def test_a_convolution_is_that_of_the_naive_loops(case, copied: bool, zeros: float) -> None:
    images, channels, height, width, out, kernel, stride, padding, dilation, groups = case
    rng = np.random.default_rng(height)
    shape = (out, channels // groups, *kernel)
    weights = rng.standard_normal((out, int(np.prod(shape[1:])))).astype(np.float32)
    weights[rng.random(weights.shape) < zeros] = 0
    x = rng.standard_normal((images, channels, height, width)).astype(np.float32)
    bias = rng.standard_normal(out).astype(np.float32)
    survivors = Survivors.from_dense(weights)
    codes = rng.integers(0, 16, survivors.positions.size).astype(np.uint8)
    points = rng.integers(0, 16, out).astype(np.float32)
    levels = Levels.affine(rng.uniform(0.1, 0.2, out).astype(np.float32), points, 4, weights.shape)
    quantised = Survivors.from_positions(survivors.positions, codes, weights.shape, levels)
    decoded = np.zeros(weights.size, np.float32)
    decoded[survivors.positions] = quantised.as_floats().values
    for held, dense in ((survivors, weights), (quantised, decoded)):
        expected = naive.sparse_convolution(dense.reshape(shape), x, bias, stride, padding, dilation, groups)
        layer = SparseConvolution.of(held, shape, stride, padding, dilation, groups, copied)
        for threads in (1, 3):
            y = layer.multiply(x, bias, threads)
            assert y.shape == expected.shape and np.allclose(y, expected, rtol=1e-5, atol=1e-4)


def test_scale_groups_of_a_kernel() -> None:
    rng = np.random.default_rng(0)
    shape = (10, 9, 3, 3)
    for group in (64, 80):
        levels = Levels.affine(
            rng.uniform(0.5, 1.5, (10, -(-81 // group))).astype(np.float32), np.float32(7), 4, (10, 81), group
        )
        positions = np.flatnonzero(rng.random(810) < 0.5)
        codes = rng.integers(0, 16, positions.size).astype(np.uint8)
        survivors = Survivors.from_positions(positions, codes, (10, 81), levels)
        dense = np.zeros(810, np.float32)
        dense[positions] = survivors.as_floats().values
        x, bias = rng.standard_normal((1, 9, 6, 6)).astype(np.float32), np.zeros(10, np.float32)
        expected = naive.sparse_convolution(dense.reshape(shape), x, bias, (1, 1), (1, 1), (1, 1), 1)
        for copied in (False, True):
            y = SparseConvolution.of(survivors, shape, padding=(1, 1), copied=copied).multiply(x)
            assert np.allclose(y, expected, rtol=1e-5, atol=1e-4)


def test_what_is_refused() -> None:
    survivors = Survivors.from_dense(np.ones((4, 18), np.float32))
    with pytest.raises(ValueError, match="do not make a kernel"):
        SparseConvolution.of(survivors, (4, 3, 3, 3))
    with pytest.raises(ValueError, match="cannot have stride"):
        SparseConvolution.of(survivors, (4, 2, 3, 3), stride=(0, 1))
    with pytest.raises(ValueError, match="cannot have stride"):
        SparseConvolution.of(survivors, (4, 2, 3, 3), groups=3)
    with pytest.raises(ValueError, match="only where there is one group"):
        SparseConvolution.of(survivors, (4, 2, 3, 3), groups=2, copied=True)
    layer = SparseConvolution.of(survivors, (4, 2, 3, 3))
    with pytest.raises(ValueError, match="does not fit into an image of 2×5"):
        layer.multiply(np.ones((1, 2, 2, 5), np.float32))
    with pytest.raises(ValueError, match=r"Images are float32 \[images, 2"):
        layer.multiply(np.ones((1, 3, 5, 5), np.float32))
    with pytest.raises(ValueError, match="A bias for 4 outputs"):
        layer.multiply(np.ones((1, 2, 5, 5), np.float32), np.ones(5, np.float32))
    assert layer.multiply(np.ones((0, 2, 5, 5), np.float32)).shape == (0, 4, 3, 3)
