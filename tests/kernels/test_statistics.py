import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from workbench.kernels.statistics.magnitudes import Magnitudes, prune

few_values = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -2.0, 1e-45, -1e-45, 3e38, np.inf, -np.inf])
weights = st.lists(st.one_of(few_values, st.floats(width=32, allow_nan=False)), max_size=150)


def _same(found: np.ndarray, expected: list[float]) -> bool:
    return found.tobytes() == np.where(np.array(expected) == 0, 0, expected).astype(np.float32).tobytes()


@settings(deadline=None, max_examples=50)  # the first example compiles
@given(st.lists(weights, min_size=1, max_size=5), st.floats(0, 1))
def test_the_smallest_of_all_are_cut(tensors: list[list[float]], share: float) -> None:
    arrays = [np.array(tensor, np.float32) for tensor in tensors]
    magnitudes = Magnitudes.of(arrays)
    count = round(share * sum(magnitudes.sizes))
    counts = magnitudes.smallest_of_all(count)
    assert counts.sum() == count
    cuts = magnitudes.cut(counts)
    expected = naive.pruned([array.tolist() for array in arrays], count)
    for one, array in enumerate(arrays):
        found = prune(array, cuts.threshold[one], int(cuts.ties[one]))
        assert _same(found + np.float32(0), expected[one])
        with np.errstate(invalid="ignore"):
            lost = np.where(found == array, 0.0, array.astype(np.float64))
        np.testing.assert_allclose(cuts.error[one], np.square(lost).sum(), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000])
def test_the_error_of_every_cut_of_one_tensor(size: int) -> None:
    weight = np.random.default_rng(size).standard_normal(size, dtype=np.float32)
    magnitudes = Magnitudes.of([weight])
    squares = np.cumsum(np.sort(np.abs(weight)).astype(np.float64) ** 2)
    for count in range(size + 1):
        cuts = magnitudes.cut(np.array([count]))
        np.testing.assert_allclose(cuts.error, squares[count - 1] if count else 0.0, rtol=1e-12)
        assert np.count_nonzero(prune(weight, cuts.threshold[0], int(cuts.ties[0]))) == size - count


def test_tensors_of_any_shape_are_sorted_at_once() -> None:
    random = np.random.default_rng(0)
    tensors = [random.standard_normal(shape, dtype=np.float32) for shape in ((3, 5), (0, 4), (1,), (2, 3, 4, 5))]
    one, two = Magnitudes.of(tensors, threads=1), Magnitudes.of(tensors, threads=2)
    assert np.array_equal(one.values, two.values)
    assert np.array_equal(one.energy, two.energy)
    assert one.sizes.tolist() == [15, 0, 1, 120]
    assert one.smallest_of_all(136).tolist() == [15, 0, 1, 120]
    assert not one.smallest_of_all(0).any()


def test_not_a_number_is_cut_last() -> None:
    weight = np.array([np.nan, 1.0, -np.nan, np.inf], np.float32)
    magnitudes = Magnitudes.of([weight, np.ones(2, np.float32)])
    assert magnitudes.smallest_of_all(4).tolist() == [2, 2]
    cuts = magnitudes.cut(np.array([2, 0]))
    assert cuts.threshold.tolist() == [np.inf, 0.0]
    assert np.isnan(prune(weight, np.inf, 1)[[0, 2]]).all()


def test_all_zero_weights_have_no_error() -> None:
    weight = np.zeros((4, 4), np.float32)
    cuts = Magnitudes.of([weight]).cut(np.array([7]))
    assert (cuts.threshold[0], cuts.ties[0], cuts.error[0]) == (0.0, 7, 0.0)
    assert not prune(weight, 0.0, 7).any()


def test_what_does_not_fit_is_refused() -> None:
    weight = np.ones((2, 2), np.float32)
    with pytest.raises(ValueError, match="one tensor or more"):
        Magnitudes.of([])
    with pytest.raises(ValueError, match="all float32"):
        Magnitudes.of([weight.astype(np.float64)])
    for counts in ([5], [-1], [1, 1]):
        with pytest.raises(ValueError, match="cannot cut"):
            Magnitudes.of([weight]).cut(np.array(counts))
    with pytest.raises(ValueError, match="cannot cut 5"):
        Magnitudes.of([weight]).smallest_of_all(5)
    with pytest.raises(ValueError, match=r"4 weights have the magnitude 1.0, not 5"):
        prune(weight, 1.0, 5)
    with pytest.raises(ValueError, match="need a float32 array"):
        prune(weight, 1.0, 1, np.empty(4, np.float32))
