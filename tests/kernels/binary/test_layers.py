"""Layers of signs beside their slow and obvious forms."""

import numpy as np
import pytest

from tests import naive
from workbench.kernels.binary.layers import SignConvolution, SignMatrix
from workbench.kernels.binary.magnitudes import row_magnitudes, window_magnitudes

# images, channels, outputs, height, width, kernel, stride, padding, dilation
CONVOLUTIONS = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1)),
    (2, 3, 5, 7, 6, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 33, 40, 5, 9, (3, 2), (2, 1), (1, 0), (1, 1)),
    (1, 70, 3, 6, 6, (3, 3), (1, 2), (2, 2), (2, 2)),
    (1, 2, 3, 2, 2, (3, 3), (1, 1), (4, 3), (1, 1)),  # some windows see padding alone
]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("by_window", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_convolution_is_that_of_signs_times_two_scales(random, case, by_window, threads):
    images, channels, outputs, height, width, kernel, *window = case
    x = random.standard_normal((images, channels, height, width), dtype=np.float32)
    weights = random.standard_normal((outputs, channels, *kernel), dtype=np.float32)
    scale, bias = random.standard_normal((2, outputs), dtype=np.float32)
    sums = naive.integer_conv(naive.signs(x), naive.signs(weights), *window)
    means = naive.window_magnitudes(x, kernel, *window)[:, None] if by_window else 1.0
    expected = sums * scale[:, None, None] * means + bias[:, None, None]
    layer = SignConvolution.of(weights, scale, by_window, *window)
    found = layer.multiply(x, bias, threads)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.multiply(x, None, threads), expected - bias[:, None, None], rtol=1e-5, atol=1e-5)
    if by_window:
        maps = window_magnitudes(x, kernel, *window, sums.shape[2:], threads)
        np.testing.assert_allclose(maps, naive.window_magnitudes(x, kernel, *window), rtol=1e-5)


@pytest.mark.parametrize("by_window", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 31, 5), (7, 100, 40), (0, 4, 2)])
def test_a_matrix_is_that_of_signs_times_two_scales(random, shape, by_window):
    rows, depth, outputs = shape
    x, weights = (random.standard_normal(size, dtype=np.float32) for size in ((rows, depth), (outputs, depth)))
    scale, bias = random.standard_normal((2, outputs), dtype=np.float32)
    means = np.abs(x.astype(np.float64)).mean(1, keepdims=True) if by_window else 1.0
    expected = naive.integer_gemm(naive.signs(x), naive.signs(weights)) * scale * means + bias
    found = SignMatrix.of(weights, scale, by_window).multiply(x, bias)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(row_magnitudes(x), np.abs(x).mean(1), rtol=1e-5)


def test_inputs_of_one_magnitude_and_weights_of_another_lose_nothing(random):
    """Then I ∗ W = (sign I ∗ sign W) ⊙ K α, at a zero-padded border, too, since K is the mean over what is inside."""
    x = 0.3 * random.choice([-1.0, 1.0], (2, 5, 6, 7)).astype(np.float32)
    weights = 0.7 * random.choice([-1.0, 1.0], (4, 5, 3, 3)).astype(np.float32)
    exact = naive.sparse_convolution(weights, x, np.zeros(4, np.float32), (1, 1), (1, 1), (1, 1), 1)
    found = SignConvolution.of(weights, np.full(4, 0.7, np.float32), True, padding=(1, 1)).multiply(x)
    np.testing.assert_allclose(found, exact, atol=1e-5)
