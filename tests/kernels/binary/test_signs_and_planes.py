import numpy as np
import pytest
from numpy.typing import NDArray

from tests import naive
from workbench.kernels.binary import convolution as binary_conv
from workbench.kernels.binary import planes as binary_planes
from workbench.kernels.binary import signs as binary
from workbench.kernels.binary.mismatches import ROWS
from workbench.kernels.binary.words import LANES

# rows, depth, outputs: around the words, the pairs of words, the tiles of outputs and the blocks of rows
SHAPES = [
    (1, 1, 1),
    (0, 5, 3),
    (3, 31, 5),
    (ROWS, 32, LANES),
    (ROWS + 1, 33, LANES + 1),
    (2 * ROWS + 1, 64, 2 * LANES + 6),
    (1, 1000, 100),
    (11, 129, 31),
    (2, 65 * 64, 3),  # more words than a byte can count
]
# images, channels, outputs, height, width, kernel, stride, padding, dilation
CONVOLUTIONS = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1)),
    (2, 3, 5, 7, 6, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 33, 40, 5, 9, (3, 2), (2, 1), (1, 0), (1, 1)),
    (2, 64, 32, 4, 4, (5, 5), (1, 1), (2, 2), (1, 1)),
    (1, 70, 3, 6, 6, (3, 3), (1, 2), (2, 2), (2, 2)),
    (1, 4, 33, 3, 8, (1, 3), (1, 1), (0, 3), (1, 3)),
    (2, 97, 3, 9, 15, (2, 2), (1, 1), (1, 0), (1, 1)),
]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def _floats(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    values = random.standard_normal(shape, dtype=np.float32)
    flat = values.reshape(-1)
    extremes = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45], np.float32)
    flat[: extremes.size] = extremes[: flat.size]
    return values


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_product_of_signs(random: np.random.Generator, shape: tuple[int, int, int], threads: int) -> None:
    rows, depth, outputs = shape
    x, w = _floats(random, rows, depth), _floats(random, outputs, depth)
    expected = naive.integer_gemm(naive.signs(x), naive.signs(w))
    packed = binary.pack_signs(x)
    assert np.array_equal(binary.gemm_binary(packed, binary.pack_sign_weights(w), threads), expected)
    scale, bias = random.standard_normal((2, outputs), dtype=np.float32)
    out = np.empty((rows, outputs), np.float32)
    found = binary.gemm_binary(packed, binary.pack_sign_weights(w, scale, bias), threads, out)
    assert found is out
    np.testing.assert_allclose(found, scale * expected + bias, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_signs_that_are_all_alike(sign: float) -> None:
    x, w = np.full((7, 100), sign, np.float32), np.full((40, 100), -sign, np.float32)
    assert np.all(binary.gemm_binary(binary.pack_signs(x), binary.pack_sign_weights(w)) == -100)
    assert np.all(binary.gemm_binary(binary.pack_signs(w), binary.pack_sign_weights(w)) == 100)


def test_more_differences_than_16_bits_can_count() -> None:
    x, w = np.ones((3, 70_000), np.float32), np.full((2, 70_000), -1, np.float32)
    assert np.all(binary.gemm_binary(binary.pack_signs(x), binary.pack_sign_weights(w)) == -70_000)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_a_convolution_of_signs(random: np.random.Generator, case: tuple, last: bool, threads: int) -> None:
    images, channels, outputs, height, width, kernel, *window = case
    x, w = _floats(random, images, channels, height, width), _floats(random, outputs, channels, *kernel)
    expected = naive.integer_conv(naive.signs(x), naive.signs(w), *window)
    if last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert np.array_equal(binary_conv.conv_binary(x, binary.pack_sign_weights(w), *window, threads), expected)
    scale, bias = random.standard_normal((2, outputs), dtype=np.float32)
    out = np.empty((images, *expected.shape[2:], outputs), np.float32)
    found = binary_conv.conv_binary(x, binary.pack_sign_weights(w, scale, bias), *window, threads, out)
    assert np.shares_memory(found, out)
    wanted = scale[:, None, None] * expected + bias[:, None, None]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-4)


def test_a_window_that_only_touches_the_image_gives_an_exact_zero_in_the_padding() -> None:
    x, w = np.ones((1, 2, 1, 1), np.float32), np.ones((1, 2, 3, 3), np.float32)
    found = binary_conv.conv_binary(x, binary.pack_sign_weights(w, np.array([0.1], np.float32)), 1, 3)
    assert found.shape == (1, 1, 5, 5)
    assert np.count_nonzero(found) == 9


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [(1, 1), (2, 1), (3, 2), (8, 8)])
def test_a_product_of_planes(
    random: np.random.Generator, shape: tuple[int, int, int], bits: tuple[int, int], threads: int
) -> None:
    rows, depth, outputs = shape
    x = random.integers(0, 2 ** bits[0], (rows, depth), dtype=np.uint8)
    w = random.integers(0, 2 ** bits[1], (outputs, depth), dtype=np.uint8)
    packed = binary_planes.pack_planes(x, bits[0]), binary_planes.pack_plane_weights(w, bits[1])
    out = np.empty((rows, outputs), np.int32)
    assert binary_planes.gemm_planes(*packed, threads, out) is out
    assert np.array_equal(out, naive.integer_gemm(x, w))


@pytest.mark.parametrize("code", [0, 255])
def test_planes_that_are_all_alike(code: int) -> None:
    codes = np.full((33, 100), code, np.uint8)
    packed = binary_planes.pack_planes(codes, 8), binary_planes.pack_plane_weights(codes, 8)
    assert np.all(binary_planes.gemm_planes(*packed) == 100 * code * code)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_convolution_of_planes(random: np.random.Generator, case: tuple, threads: int) -> None:
    images, channels, outputs, height, width, kernel, *window = case
    x = random.integers(0, 4, (images, channels, height, width), dtype=np.uint8)
    w = random.integers(0, 8, (outputs, channels, *kernel), dtype=np.uint8)
    found, sums = binary_planes.conv_planes(x, 2, binary_planes.pack_plane_weights(w, 3), *window, threads)
    assert np.array_equal(found, naive.integer_conv(x, w, *window))
    assert np.array_equal(sums, naive.integer_conv(x, np.ones((1, channels, *kernel), np.uint8), *window)[:, 0])


def test_packed_weights_hold_a_bit_a_weight_and_little_more() -> None:
    weights = np.zeros((256, 256, 3, 3), np.float32)
    assert binary.pack_sign_weights(weights).nbytes < 1.2 * weights.size / 8


def test_what_does_not_fit_is_refused() -> None:
    matrix = np.zeros((4, 6), np.float32)
    images = np.zeros((1, 6, 3, 3), np.float32)
    weights = binary.pack_sign_weights(matrix)
    kernel = binary.pack_sign_weights(np.zeros((2, 6, 3, 3), np.float32))
    codes = binary_planes.pack_plane_weights(np.ones((4, 6), np.uint8), 1)
    with pytest.raises(ValueError, match="float32 in 2 dimensions, not float64"):
        binary.pack_signs(matrix.astype(np.float64))
    with pytest.raises(ValueError, match="2 or 4 dimensions, not 3"):
        binary.pack_sign_weights(images[0])
    with pytest.raises(ValueError, match="sums 1 to"):
        binary.pack_sign_weights(matrix[:, :0])
    with pytest.raises(ValueError, match="as many for its scale"):
        binary.pack_sign_weights(matrix, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="Rows of 5 signs"):
        binary.gemm_binary(binary.pack_signs(matrix[:, :5].copy()), weights)
    with pytest.raises(ValueError, match="Rows of 6 signs"):
        binary.gemm_binary(binary.pack_signs(matrix), kernel)
    with pytest.raises(ValueError, match="array to write it to is not"):
        binary.gemm_binary(binary.pack_signs(matrix), weights, 1, np.empty((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"not float32 \[1, 5, 3, 3\]"):
        binary_conv.conv_binary(images[:, :5].copy(), kernel)
    with pytest.raises(ValueError, match="window of 5 is larger than 3 pixels"):
        binary_conv.conv_binary(images, kernel, dilation=2)
    with pytest.raises(ValueError, match="stride of a convolution is 1 or more"):
        binary_conv.conv_binary(images, kernel, stride=0)
    with pytest.raises(ValueError, match="Code 2 does not fit into 1 bits"):
        binary_planes.pack_planes(np.full((1, 1), 2, np.uint8), 1)
    with pytest.raises(ValueError, match="1 to 8 bits, not 9"):
        binary_planes.pack_planes(np.full((1, 1), 2, np.uint8), 9)
    with pytest.raises(ValueError, match="Rows of 3 codes"):
        binary_planes.gemm_planes(binary_planes.pack_planes(np.ones((4, 3), np.uint8), 1), codes)
    rows = binary_planes.pack_planes(np.ones((4, 6), np.uint8), 1)
    with pytest.raises(ValueError, match="array for it is not"):
        binary_planes.gemm_planes(rows, codes, 1, np.empty((4, 4), np.int64))
    wide = np.zeros((1, 40_000), np.uint8)
    packed = binary_planes.pack_planes(wide, 8), binary_planes.pack_plane_weights(wide, 8)
    with pytest.raises(ValueError, match="does not fit into 32 bits"):
        binary_planes.gemm_planes(*packed)
