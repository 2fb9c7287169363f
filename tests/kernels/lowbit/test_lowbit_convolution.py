from itertools import product
from typing import Any

import numpy as np
import pytest

from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.lowbit.convolution import LowBitConvolution

# Outputs, inputs, kernel, stride, padding, dilation, groups, image.
CASES = [
    (1, 1, (1, 1), (1, 1), (0, 0), (1, 1), 1, (1, 1)),
    (20, 2, (5, 5), (1, 1), (0, 0), (1, 1), 1, (12, 12)),
    (16, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, (28, 28)),
    (33, 3, (3, 2), (2, 1), (1, 0), (1, 1), 1, (9, 11)),
    (10, 40, (1, 1), (1, 1), (0, 0), (1, 1), 1, (7, 7)),
    (24, 5, (1, 1), (2, 2), (0, 0), (1, 1), 1, (14, 14)),
    (5, 2, (2, 2), (3, 3), (1, 1), (1, 1), 1, (10, 10)),
    (4, 3, (3, 3), (1, 1), (1, 1), (2, 1), 1, (3, 5)),
    (18, 18, (3, 3), (1, 1), (1, 1), (1, 1), 18, (7, 7)),
    (8, 8, (3, 3), (2, 2), (1, 1), (1, 1), 8, (7, 7)),
    (12, 6, (3, 1), (1, 1), (2, 2), (2, 1), 3, (8, 5)),
]


def _made(case: Any, bits: int, kind: str) -> tuple[LowBitConvolution, np.ndarray]:
    out, channels, kernel, stride, padding, dilation, groups, _ = case
    random = np.random.default_rng(bits)
    shape = (out, channels // groups, *kernel)
    codes = random.integers(0, 2**bits, (out, int(np.prod(shape[1:])))).astype(np.uint8)
    if kind == "grid":
        scale, zero = (
            random.uniform(0.1, 1, out).astype(np.float32),
            random.integers(0, 2**bits, out).astype(np.float32),
        )
        weights, values = lowbit.affine(codes, bits, scale, zero), scale[:, None] * (codes - zero[:, None])
    else:
        table = random.standard_normal(2**bits).astype(np.float32)
        weights, values = lowbit.codebook(codes, bits, table), table[codes]
    return LowBitConvolution(shape, stride, padding, dilation, weights, groups), values.reshape(shape)


def _naive(x: np.ndarray, values: np.ndarray, case: Any) -> np.ndarray:
    """One product at a time over the places of the kernel."""
    out, _, kernel, stride, padding, dilation, groups, image = case
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    size = [(image[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2)]
    y = np.zeros((len(x), out, *size))
    inputs = values.shape[1]
    for output, channel, row, column in product(range(out), range(inputs), *map(range, kernel)):
        plane = padded[:, output // (out // groups) * inputs + channel, row * dilation[0] :, column * dilation[1] :]
        plane = plane[:, :: stride[0], :: stride[1]][:, : size[0], : size[1]]
        y[:, output] += float(values[output, channel, row, column]) * plane
    return y


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("bits", "kind"), [(4, "grid"), (8, "grid"), (3, "codebook"), (5, "codebook")])
def test_a_convolution(case: Any, bits: int, kind: str) -> None:
    convolution, values = _made(case, bits, kind)
    random = np.random.default_rng(1)
    x = random.standard_normal((3, case[1], *case[-1])).astype(np.float32)
    bias = random.standard_normal(case[0]).astype(np.float32)
    expected = _naive(x, values, case)
    # What rounding may cost: sums of as many products as an output has, of codes and zero points.
    reach = 2e-6 * float(np.abs(values).sum(axis=(1, 2, 3)).max() * np.abs(x).max())
    found = convolution.multiply(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=reach)
    np.testing.assert_allclose(convolution.multiply(x, bias), expected + bias[:, None, None], rtol=0, atol=reach + 1e-6)
    # Neither threads nor the place in the batch change anything.
    assert (convolution.multiply(x, threads=3) == found).all()
    assert (convolution.multiply(x[2:]) == found[2:]).all()


def test_many_images_are_taken_in_groups() -> None:
    case = (3, 8, (3, 3), (1, 1), (1, 1), (1, 1), 1, (28, 28))
    convolution, values = _made(case, 4, "grid")
    x = np.random.default_rng(2).standard_normal((50, 8, 28, 28)).astype(np.float32)
    np.testing.assert_allclose(convolution.multiply(x), _naive(x, values, case), rtol=0, atol=1e-2)


def test_images_that_lie_otherwise_in_memory() -> None:
    convolution, _ = _made(CASES[2], 4, "grid")
    x = np.random.default_rng(3).standard_normal((2, 28, 28, 3)).astype(np.float32).transpose(0, 3, 1, 2)
    found = convolution.multiply(np.ascontiguousarray(x))
    assert (convolution.multiply(x) == found).all()
    frozen = np.ascontiguousarray(x)
    frozen.flags.writeable = False
    assert (convolution.multiply(frozen) == found).all()


def test_no_images() -> None:
    convolution, _ = _made(CASES[2], 4, "grid")
    assert convolution.multiply(np.zeros((0, 3, 28, 28), np.float32)).shape == (0, 16, 28, 28)


def test_what_does_not_fit_is_refused() -> None:
    convolution, _ = _made(CASES[2], 4, "grid")
    weights = convolution.weights
    with pytest.raises(ValueError, match="do not make a kernel"):
        LowBitConvolution((16, 3, 3, 2), (1, 1), (0, 0), (1, 1), weights)
    with pytest.raises(ValueError, match="5 groups"):
        LowBitConvolution((16, 3, 3, 3), (1, 1), (0, 0), (1, 1), weights, 5)
    with pytest.raises(ValueError, match=r"Images are float32 \[images, 3, height, width\]"):
        convolution.multiply(np.zeros((1, 2, 28, 28), np.float32))
    with pytest.raises(ValueError, match="A bias for 16 outputs"):
        convolution.multiply(np.zeros((1, 3, 28, 28), np.float32), np.zeros(3, np.float32))
    valid = LowBitConvolution((16, 3, 3, 3), (1, 1), (0, 0), (1, 1), weights)
    with pytest.raises(ValueError, match="does not fit into an image of 2×5"):
        valid.multiply(np.zeros((1, 3, 2, 5), np.float32))
