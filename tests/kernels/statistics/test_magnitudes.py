import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from workbench.kernels.statistics.magnitudes import ascending, prune, smallest_of_all

few_values = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -2.0, 1e-45, -1e-45, 3e38, np.inf, -np.inf])
weights = st.lists(st.one_of(few_values, st.floats(width=32, allow_nan=False)), max_size=150)


def _same(found: np.ndarray, expected: list[float]) -> bool:
    return found.tobytes() == np.where(np.array(expected) == 0, 0, expected).astype(np.float32).tobytes()


def _cut(magnitudes: np.ndarray, count: int) -> tuple[float, int]:
    """Threshold, and how many at it are among the `count` smallest."""
    threshold = magnitudes[count - 1] if count else np.float32(0)
    return float(threshold), count - int((magnitudes[:count] < threshold).sum())


@settings(deadline=None, max_examples=50)  # the first example compiles
@given(st.lists(weights, min_size=1, max_size=5), st.floats(0, 1))
def test_the_smallest_of_all_are_cut(tensors: list[list[float]], share: float) -> None:
    arrays = [np.array(tensor, np.float32) for tensor in tensors]
    magnitudes = [ascending(array) for array in arrays]
    count = round(share * sum(array.size for array in arrays))
    counts = smallest_of_all(magnitudes, count)
    assert counts.sum() == count
    expected = naive.pruned([array.tolist() for array in arrays], count)
    for number, array in enumerate(arrays):
        found = prune(array, *_cut(magnitudes[number], int(counts[number])))
        assert _same(found + np.float32(0), expected[number])


@pytest.mark.parametrize("size", [1, 65])
def test_every_cut_of_one_tensor(size: int) -> None:
    weight = np.random.default_rng(size).standard_normal(size, dtype=np.float32)
    magnitudes = ascending(weight)
    for count in range(size + 1):
        assert np.count_nonzero(prune(weight, *_cut(magnitudes, count))) == size - count


def test_tensors_of_any_shape_lose_all_or_nothing() -> None:
    random = np.random.default_rng(0)
    tensors = [random.standard_normal(shape, dtype=np.float32) for shape in ((3, 5), (0, 4), (1,), (2, 3, 4, 5))]
    magnitudes = [ascending(tensor) for tensor in tensors]
    assert smallest_of_all(magnitudes, 136).tolist() == [15, 0, 1, 120]
    assert not smallest_of_all(magnitudes, 0).any()


def test_not_a_number_is_cut_last() -> None:
    weight = np.array([np.nan, 1.0, -np.nan, np.inf], np.float32)
    magnitudes = ascending(weight)
    assert magnitudes[:2].tolist() == [1.0, np.inf]
    assert smallest_of_all([magnitudes, np.ones(2, np.float32)], 4).tolist() == [2, 2]
    assert np.isnan(prune(weight, np.inf, 1)[[0, 2]]).all()


def test_zeros_are_cut_as_ties() -> None:
    weight = np.zeros((4, 4), np.float32)
    assert _cut(ascending(weight), 7) == (0.0, 7)
    assert not prune(weight, 0.0, 7).any()


def test_what_does_not_fit_is_refused() -> None:
    weight = np.ones((2, 2), np.float32)
    with pytest.raises(ValueError, match="ascending float32 vectors"):
        smallest_of_all([weight.reshape(-1).astype(np.float64)], 1)
    for count in (5, -1):
        with pytest.raises(ValueError, match=f"Of 4 weights one cannot cut {count}"):
            smallest_of_all([ascending(weight)], count)
    with pytest.raises(ValueError, match=r"4 weights have the magnitude 1.0, not 5"):
        prune(weight, 1.0, 5)
    with pytest.raises(ValueError, match="need a float32 array"):
        prune(weight, 1.0, 1, np.empty(4, np.float32))
