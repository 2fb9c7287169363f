from collections.abc import Callable

import numpy as np
import pytest

from tests import naive
from workbench.kernels.compiler.features import has, wide
from workbench.kernels.lowbit import fixed, floating, tables
from workbench.kernels.lowbit import products as lowbit

ACCURACY = 1e-6  # of the sum of all magnitudes, the zero point's share included; float32 is about as good
SHAPES = [(1, 1), (1, 70), (17, 1), (16, 64), (35, 131)]
GRIDS = ["tensor", "channel", "group 64", "group 32"]
Made = tuple[lowbit.LowBit, np.ndarray, np.ndarray]  # packed; values; what a value is the difference of


def _grid(shape: tuple[int, int], bits: int, grid: str, seed: int = 0) -> Made:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2**bits, shape).astype(np.uint8)
    size = int(grid[6:] or 0) if grid.startswith("group") else 0
    runs = -(-shape[1] // size) if size else 1
    count = 1 if grid == "tensor" else shape[0] * runs
    scale = random.uniform(0.01, 1, count).astype(np.float32)
    if bits > 1:
        zero_point = random.integers(0, 2**bits, count).astype(np.float32)
    else:  # between the two levels
        zero_point = random.uniform(0.3, 0.7, count).astype(np.float32)
    index = np.arange(shape[0])[:, None] * runs + np.arange(shape[1])[None] // (size or shape[1])
    group = index if count > 1 else np.zeros(shape, np.int64)
    values = np.array(naive.affine(codes, scale, zero_point, group), np.float32).reshape(shape)
    reach = np.array(naive.affine(codes, scale, -zero_point, group), np.float32).reshape(shape)
    return lowbit.affine(codes, bits, scale, zero_point, size=size), values, reach


def _codebook(shape: tuple[int, int], bits: int) -> Made:
    random = np.random.default_rng(1)
    centroids = random.standard_normal(max(1, 2**bits - 1)).astype(np.float32)
    codes = random.integers(0, centroids.size, shape).astype(np.uint8)
    return lowbit.codebook(codes, bits, centroids), centroids[codes], np.abs(centroids[codes])


def _agree(found: np.ndarray, x: np.ndarray, values: np.ndarray, reach: np.ndarray) -> None:
    assert found.dtype == np.float32 and found.shape == (len(x), len(values))
    assert (np.abs(found - naive.product(x, values)) <= ACCURACY * naive.product(np.abs(x), reach)).all()


def _all_products_agree(weights: lowbit.LowBit, values: np.ndarray, reach: np.ndarray) -> None:
    x = np.random.default_rng(2).standard_normal((9, values.shape[1])).astype(np.float32) + 0.5
    for batch in (1, 9):
        _agree(lowbit.gemm(weights, x[:batch]), x[:batch], values, reach)
    _agree(lowbit.gemv(weights, x[0])[None], x[:1], values, reach)
    for product, batch in ((floating.gemv, 1), (floating.gemm, 9)):
        y = np.empty((batch, weights.outputs), np.float32)
        product(weights, x[:batch], np.zeros(weights.outputs, np.float32), y, 1)
        _agree(y, x[:batch], values, reach)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("grid", GRIDS)
def test_weights_on_a_grid(bits: int, grid: str) -> None:
    for shape in SHAPES:
        _all_products_agree(*_grid(shape, bits, grid))


@pytest.mark.parametrize("bits", range(1, 9))
def test_weights_in_a_codebook(bits: int) -> None:
    for shape in SHAPES:
        _all_products_agree(*_codebook(shape, bits))


@pytest.mark.skipif(not has("avx2"), reason="needs products of bytes")
@pytest.mark.parametrize("bits", range(1, 7))
def test_one_vector_in_digits(bits: int) -> None:
    """The largest codes and the digits of largest magnitude, -128 twice, which are summed in 16 bits."""
    weights, values, reach = _grid((70, 331), bits, "group 32")
    codes, one = np.full((70, 331), 2**bits - 1, np.uint8), np.ones(1, np.float32)
    top, largest = lowbit.affine(codes, bits, one, one - 1), codes.astype(np.float32)
    x = np.full(331, (127 * 256**2 - 128 * 256 - 128) / 8355000, np.float32)
    x[::64] = 1
    for made in ((weights, values, reach), (top, largest, largest)):
        y = np.empty((1, 70), np.float32)
        fixed.gemv(made[0], x[None], np.zeros(70, np.float32), y, 1)
        _agree(y, x[None], *made[1:])


@pytest.mark.skipif(not has("avx2") or wide(), reason="needs the tables of AVX2")
@pytest.mark.parametrize("bits", range(1, 5))
def test_one_vector_by_tables_of_products(bits: int) -> None:
    x = np.random.default_rng(3).standard_normal((2, 331)).astype(np.float32)
    x[1, :] = x[1, 0]  # all as large as the largest
    for shape in ((37, 331), (256, 130)):
        weights, values, reach = _codebook(shape, bits)
        for row in x[:, : shape[1]]:
            y = np.empty((1, shape[0]), np.float32)
            tables.gemv(weights, np.ascontiguousarray(row)[None], np.zeros(shape[0], np.float32), y, 1)
            _agree(y, row[None], values, reach)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("code", ["lowest", "highest", "zero point"])
def test_all_codes_alike(bits: int, code: str) -> None:
    shape, zero_point = (17, 300), 2.0 ** (bits - 1) - 1
    value = {"lowest": 0, "highest": 2**bits - 1, "zero point": int(zero_point)}[code]
    codes = np.full(shape, value, np.uint8)
    weights = lowbit.affine(codes, bits, np.ones(1, np.float32), np.full(1, zero_point, np.float32))
    x = np.random.default_rng(3).uniform(0, 1, (3, 300)).astype(np.float32)
    expected = (value - zero_point) * x.astype(np.float64).sum(axis=1, keepdims=True)
    # The zero point may be taken off last, so rounding is that of the sum of codes times activations.
    allowed = 1e-6 * (value + zero_point) * x.sum(axis=1, keepdims=True)
    for found in (lowbit.gemm(weights, x), np.stack([lowbit.gemv(weights, row) for row in x])):
        assert (np.abs(found - expected) <= allowed).all()


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_extreme_activations(size: float) -> None:
    weights, *values = _grid((20, 200), 4, "channel")
    x = np.random.default_rng(4).standard_normal((9, 200)).astype(np.float32) * np.float32(size)
    _agree(lowbit.gemm(weights, x), x, *values)
    _agree(lowbit.gemv(weights, x[0])[None], x[:1], *values)


def test_extreme_scales() -> None:
    codes = np.random.default_rng(5).integers(0, 16, (4, 80)).astype(np.uint8)
    scale = np.array([1e-30, 1e-5, 1e5, 1e30], np.float32)
    weights = lowbit.affine(codes, 4, scale, np.full(4, 7, np.float32))
    x = np.random.default_rng(6).standard_normal((2, 80)).astype(np.float32)
    reach = scale[:, None] * (codes + np.float32(7))
    _agree(lowbit.gemm(weights, x), x, scale[:, None] * (codes - np.float32(7)), reach)
    _agree(lowbit.gemv(weights, x[0])[None], x[:1], scale[:, None] * (codes - np.float32(7)), reach)


def test_activations_of_zero_give_zero() -> None:
    weights, *_ = _grid((35, 131), 4, "group 64")
    assert not lowbit.gemm(weights, np.zeros((9, 131), np.float32)).any()
    assert not lowbit.gemv(weights, np.zeros(131, np.float32)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_its_row_alone(bad: float) -> None:
    weights, *_ = _grid((35, 131), 4, "channel")
    x = np.ones((9, 131), np.float32)
    good = lowbit.gemm(weights, x)
    x[4, 100] = bad
    y = lowbit.gemm(weights, x)
    assert not np.isfinite(y[4]).any()
    assert (np.delete(y, 4, axis=0) == np.delete(good, 4, axis=0)).all()
    assert not np.isfinite(lowbit.gemv(weights, x[4])).any()


@pytest.mark.parametrize("made", [_grid((100, 300), 3, "group 64"), _codebook((100, 300), 6)])
def test_threads_change_nothing(made: Made) -> None:
    weights, *_ = made
    x = np.random.default_rng(7).standard_normal((40, 300)).astype(np.float32)
    assert (lowbit.gemm(weights, x, threads=2) == lowbit.gemm(weights, x)).all()
    assert (lowbit.gemv(weights, x[0], threads=2) == lowbit.gemv(weights, x[0])).all()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_matrix(shape: tuple[int, int]) -> None:
    weights = lowbit.affine(np.zeros(shape, np.uint8), 4, np.ones(1, np.float32), np.zeros(1, np.float32))
    assert lowbit.gemm(weights, np.ones((3, shape[1]), np.float32)).tolist() == np.zeros((3, shape[0])).tolist()
    assert lowbit.gemv(weights, np.ones(shape[1], np.float32)).tolist() == [0] * shape[0]


def test_an_empty_batch() -> None:
    weights, *_ = _grid((35, 131), 4, "channel")
    assert lowbit.gemm(weights, np.ones((0, 131), np.float32)).shape == (0, 35)


@pytest.mark.parametrize("bits", [4, 8])
def test_large_and_small_products(bits: int) -> None:
    for made in (_grid((10, 300), bits, "channel"), _grid((80, 300), bits, "group 32"), _codebook((80, 300), bits)):
        _all_products_agree(*made)


@pytest.mark.parametrize(
    "made", [_grid((35, 131), 4, "channel"), _grid((70, 131), 8, "channel"), _codebook((20, 9), 6)]
)
def test_a_bias_is_added(made: Made) -> None:
    weights, *_ = made
    random = np.random.default_rng(8)
    x = random.standard_normal((9, weights.inputs)).astype(np.float32)
    bias = random.standard_normal(weights.outputs).astype(np.float32)
    for product, of in ((lowbit.gemm, x), (lowbit.gemv, x[0])):
        np.testing.assert_allclose(product(weights, of, bias), product(weights, of) + bias, rtol=1e-5, atol=1e-4)


def test_memory_held_is_the_codes_and_scales() -> None:
    weights, *_ = _grid((100, 521), 3, "channel")
    assert weights.packed.nbytes == 100 * (512 * 3 // 8 + 4)  # nine codes are left over, 27 bits
    assert weights.nbytes == weights.packed.nbytes + 100 * 4 + 100  # a zero point that is a byte takes one
    assert (weights.codes == np.random.default_rng(0).integers(0, 8, (100, 521))).all()
    one = np.ones(100, np.float32)
    assert lowbit.affine(weights.codes, 3, one, one).nbytes == weights.packed.nbytes + 4 + 1  # all alike
    assert lowbit.codebook(weights.codes, 3, one[:8]).nbytes == weights.packed.nbytes + 8 * 4 + 4 + 1


def test_what_does_not_fit_is_refused() -> None:
    codes, one = np.zeros((4, 100), np.uint8), np.ones(1, np.float32)
    weights = lowbit.affine(codes, 2, one, one)
    with pytest.raises(ValueError, match="multiple of 32 weights, not 48"):
        lowbit.affine(codes, 2, one, one, size=48)
    with pytest.raises(ValueError, match="3 scales and 3 zero points do not fit 4 runs"):
        lowbit.affine(codes, 2, np.ones(3, np.float32), np.ones(3, np.float32))
    with pytest.raises(ValueError, match="1 to 4 centroids, not 5"):
        lowbit.codebook(codes, 2, np.ones(5, np.float32))
    with pytest.raises(ValueError, match="Code 3 has no centroid"):
        lowbit.codebook(codes + 3, 2, np.ones(3, np.float32))
    calls: list[Callable[[], object]] = [
        lambda: lowbit.gemv(weights, np.ones(99, np.float32)),
        lambda: lowbit.gemv(weights, np.ones((1, 100), np.float32)),
        lambda: lowbit.gemm(weights, np.ones(100, np.float32)),
        lambda: lowbit.gemm(weights, np.ones((1, 101), np.float32)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="The activations are"):
            call()
    with pytest.raises(ValueError, match=r"A bias for 4 outputs is \[4\], not \[3\]"):
        lowbit.gemm(weights, np.ones((1, 100), np.float32), np.ones(3, np.float32))
