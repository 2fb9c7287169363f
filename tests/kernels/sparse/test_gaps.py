import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from workbench.kernels.sparse.gaps import WIDTHS, count_entries, entries

# Runs of zeros around the reach of every width, each ended by a non-zero value or by the end of the tensor.
runs = st.lists(
    st.one_of(st.integers(0, 12), st.sampled_from([15, 16, 17, 63, 64, 127, 128, 255, 256, 257, 513])), max_size=12
)


def _values(zeros: list[int], trailing: int) -> np.ndarray:
    pieces = [[0.0] * run + [1.0 + index] for index, run in enumerate(zeros)]
    return np.array([value for piece in pieces for value in piece] + [0.0] * trailing, np.float32)


@settings(deadline=None)  # the first example compiles
@given(runs, st.integers(0, 300))
def test_entries_are_those_of_the_paper(zeros: list[int], trailing: int) -> None:
    values = _values(zeros, trailing)
    survivors, fillers = count_entries(values)
    assert survivors == len(zeros)
    for width, padding in zip(WIDTHS, fillers.tolist(), strict=True):
        written = naive.relative_index(values.tolist(), width)
        assert padding == sum(value == 0 for _, value in written)
        gaps, positions = entries(values, width)
        assert gaps.tolist() == [gap for gap, _ in written]
        assert values[positions].tolist() == [value for _, value in written]
        assert naive.from_relative_index(written, values.size) == values.tolist()


@pytest.mark.parametrize("size", [0, 1, 257])
def test_a_tensor_of_zeros_has_no_entry(size: int) -> None:
    survivors, fillers = count_entries(np.zeros(size, np.float32))
    assert (survivors, fillers.sum()) == (0, 0)
    assert entries(np.zeros(size, np.float32), 4)[0].size == 0


def test_a_tensor_without_zeros_has_gaps_of_nothing() -> None:
    gaps, positions = entries(np.ones((3, 5), np.float32), 2)
    assert not gaps.any()
    assert positions.tolist() == list(range(15))


def test_a_width_outside_the_range_is_refused() -> None:
    for width in (1, 9):
        with pytest.raises(ValueError, match="2 to 8 bits"):
            entries(np.ones(3, np.float32), width)
