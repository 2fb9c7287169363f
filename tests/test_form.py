"""Forms: groups of weights that share a scale, zeros, and products."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.form import Form, Grouping, Part

shapes = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 150)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
)


@given(shapes, st.sampled_from(["tensor", "channel", "group"]))
def test_index_spread_and_blocks_agree(shape: tuple[int, ...], granularity: str) -> None:
    grouping = Grouping(granularity)  # type: ignore[arg-type]
    index = grouping.index(shape)
    count = grouping.count(shape)
    assert index.shape == shape
    assert sorted(np.unique(index)) == list(range(count))
    numbers = np.arange(count, dtype=np.float32)
    np.testing.assert_array_equal(np.broadcast_to(grouping.spread(numbers, shape), shape), index)
    blocks = grouping.blocks(np.ones(shape, np.float32))
    np.testing.assert_array_equal(blocks.sum(axis=1), np.bincount(index.ravel(), minlength=count))


def test_a_group_is_64_neighbours_inside_one_row() -> None:
    index = Grouping("group").index((2, 130))
    np.testing.assert_array_equal(index[0, [0, 63, 64, 127, 128, 129]], [0, 0, 1, 1, 2, 2])
    assert index[1, 0] == 3


@pytest.mark.parametrize("granularity", ["tensor", "channel", "group"])
def test_an_empty_row_has_no_trouble(granularity: str) -> None:
    grouping = Grouping(granularity)  # type: ignore[arg-type]
    assert np.broadcast_to(grouping.spread(np.ones(grouping.count((0, 7)), np.float32), (0, 7)), (0, 7)).size == 0


def test_zeros_have_no_sign() -> None:
    part = Part.of(np.array([[-0.0, 0.0, -1.0]]))
    assert not np.signbit(part.values[part.values == 0]).any()
    assert part.nonzeros == 1


def test_spatial_product_composes_to_the_kernel_written_out() -> None:
    rng = np.random.default_rng(0)
    vertical, horizontal = rng.normal(size=(2, 3, 5, 1)), rng.normal(size=(4, 2, 1, 7))
    whole = Form((Part.of(vertical), Part.of(horizontal)), "spatial").compose()
    assert whole.shape == (4, 3, 5, 7)
    for n, c, y, x in [(0, 0, 0, 0), (3, 2, 4, 6), (1, 2, 3, 5)]:
        by_hand = sum(vertical[r, c, y, 0] * horizontal[n, r, 0, x] for r in range(2))
        assert whole[n, c, y, x] == pytest.approx(by_hand, rel=1e-5)
