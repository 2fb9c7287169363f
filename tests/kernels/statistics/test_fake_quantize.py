import numpy as np
import pytest
from numpy.typing import NDArray

from tests import naive
from workbench.kernels.statistics import fake_quantize
from workbench.kernels.vector.aligned import aligned
from workbench.methods.quantize.uniform import Uniform
from workbench.weights.form import Form

SHAPES = [(1, 1), (3, 1), (1, 70), (5, 64), (4, 129), (2, 5000)]
SIZES = {"tensor": None, "channel": 10**9, "group": 64}


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def _weights(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    weights = random.standard_normal(shape, dtype=np.float32)
    weights[random.random(shape) < 0.2] = 0
    return weights


def _group_of(shape: tuple[int, int], size: int | None) -> NDArray[np.int64]:
    """The group of every weight."""
    if size is None:
        return np.zeros(shape, np.int64)
    runs = -(-shape[1] // min(size, shape[1]))
    return np.arange(shape[0])[:, None] * runs + np.arange(shape[1]) // size


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_levels_and_codes(random: np.random.Generator, shape: tuple[int, int], size: int | None, threads: int) -> None:
    weights = _weights(random, shape)
    group = _group_of(shape, size)
    groups = int(group.max()) + 1
    scale = random.uniform(0.05, 1, groups).astype(np.float32)
    zero_point = random.integers(0, 8, groups).astype(np.float32)
    codes = np.empty(shape, np.uint8)
    levels = fake_quantize.fake_quantize(weights, scale, zero_point, 14, size, codes, threads)
    expected = [
        naive.fake_quantized(weight, scale[g], zero_point[g], 14)
        for weight, g in zip(weights.reshape(-1).tolist(), group.reshape(-1), strict=True)
    ]
    assert codes.reshape(-1).tolist() == [code for code, _ in expected]
    assert levels.reshape(-1).tolist() == [level for _, level in expected]
    out = aligned(shape, np.float32)
    found = fake_quantize.fake_quantize(weights, scale, zero_point, 14, size, None, threads, out)
    assert found is out
    assert np.array_equal(found, levels)


@pytest.mark.parametrize("per", SIZES)
@pytest.mark.parametrize("symmetric", ["yes", "no"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_it_agrees_with_the_method_to_the_last_bit(bits: int, symmetric: str, per: str) -> None:
    weights = _weights(np.random.default_rng(bits), (6, 75)).reshape(6, 3, 5, 5)
    method = Uniform(bits=bits, per=per, symmetric=symmetric)
    part = method.apply({"layer": Form.of(weights)})["layer"].parts[0]
    highest = 2**bits - 2 if symmetric == "yes" and bits > 1 else 2**bits - 1
    found = fake_quantize.fake_quantize(
        weights.reshape(6, -1), part.levels.scale, part.levels.zero_point, highest, SIZES[per]
    )
    assert found.tobytes() == part.values.tobytes()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_ranges(random: np.random.Generator, shape: tuple[int, int], size: int | None, threads: int) -> None:
    weights = _weights(random, shape)
    weights[0, : shape[1] // 2] = -0.0
    weights[-1] = np.abs(weights[-1])
    group = _group_of(shape, size)
    low, high = fake_quantize.ranges(weights, size, threads)
    for one in range(int(group.max()) + 1):
        assert low[one] == min(weights[group == one].min(), 0)
        assert high[one] == max(weights[group == one].max(), 0)
    assert not np.signbit(low[low == 0]).any()


def test_extreme_weights() -> None:
    weights = np.array([[np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0]], np.float32)
    levels = fake_quantize.fake_quantize(weights, np.ones(1, np.float32), np.full(1, 7, np.float32), 14)
    assert levels.tolist() == [[7, -7, 7, -7, 0, 0]]
    assert not np.signbit(levels[0, 4:]).any()
    assert fake_quantize.ranges(weights)[0].tolist() == [-np.inf]


def test_many_weights_are_written_past_the_caches(random: np.random.Generator) -> None:
    shape = (3, fake_quantize._CACHED // 3 + 7)  # rows that begin anywhere in a cache line
    weights = random.standard_normal(shape, dtype=np.float32)
    scale, zero_point = np.full(3, 0.25, np.float32), np.full(3, 7, np.float32)
    levels = fake_quantize.fake_quantize(weights, scale, zero_point, 14, shape[1])
    assert np.array_equal(levels, (np.clip(np.rint(weights / scale[0] + zero_point[0]), 0, 14) - 7) * scale[0])


def test_what_does_not_fit_is_refused() -> None:
    weights, ones = np.ones((2, 3), np.float32), np.ones(2, np.float32)
    with pytest.raises(ValueError, match="not float64 in 2 dimensions"):
        fake_quantize.ranges(weights.astype(np.float64))
    with pytest.raises(ValueError, match="1 weight or more, not 0"):
        fake_quantize.ranges(weights, 0)
    with pytest.raises(ValueError, match="1 to 255, not 256"):
        fake_quantize.fake_quantize(weights, ones, ones, 256, 3)
    with pytest.raises(ValueError, match="2 groups need as many float32 scales"):
        fake_quantize.fake_quantize(weights, ones[:1], ones, 7, 3)
    with pytest.raises(ValueError, match="codes of 6 weights need"):
        fake_quantize.fake_quantize(weights, ones, ones, 7, 3, np.empty(5, np.uint8))
    memory = aligned(7, np.float32)[1:].reshape(2, 3)
    with pytest.raises(ValueError, match="begins on a cache line"):
        fake_quantize.fake_quantize(weights, ones, ones, 7, 3, out=memory)
