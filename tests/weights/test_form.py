"""Forms: groups of weights that share a scale, zeros, and products."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chains import spatial
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Cut, Part, count_zeros

shapes = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 150)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
)


@given(shapes, st.sampled_from(["tensor", "channel", "group"]))
def test_index_and_spread_agree(shape: tuple[int, ...], granularity: str) -> None:
    grouping = Grouping(granularity)  # type: ignore[arg-type]
    index = grouping.index(shape)
    count = grouping.count(shape)
    assert index.shape == shape
    assert sorted(np.unique(index)) == list(range(count))
    numbers = np.arange(count, dtype=np.float32)
    np.testing.assert_array_equal(np.broadcast_to(grouping.spread(numbers, shape), shape), index)


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
    whole = spatial(Part.of(vertical), Part.of(horizontal)).compose()
    assert whole.shape == (4, 3, 5, 7)
    for n, c, y, x in [(0, 0, 0, 0), (3, 2, 4, 6), (1, 2, 3, 5)]:
        by_hand = sum(vertical[r, c, y, 0] * horizontal[n, r, 0, x] for r in range(2))
        assert whole[n, c, y, x] == pytest.approx(by_hand, rel=1e-5)


def _uniform(values: np.ndarray, bits: int, per: str, symmetric: bool) -> Affine:
    grouping = Grouping(per)  # type: ignore[arg-type]
    index = grouping.index(values.shape).reshape(-1)
    low, high = (np.zeros(grouping.count(values.shape), np.float32) for _ in range(2))
    np.minimum.at(low, index, values.reshape(-1))
    np.maximum.at(high, index, values.reshape(-1))
    centre = symmetric_zero_point(bits)
    steps = np.maximum(-low, high) / centre if symmetric else (high - low) / (2**bits - 1)
    scale = np.maximum(steps, np.finfo(np.float32).tiny).astype(np.float32)
    point = np.full(scale.size, centre) if symmetric else np.rint(-low / scale)
    return Affine(bits, grouping, scale, point.astype(np.float32), symmetric)


def _nearest(values: np.ndarray, levels: Affine) -> np.ndarray:
    """The codes, one numpy operation after another."""
    steps = values / levels.grouping.spread(levels.scale, values.shape)
    steps += levels.grouping.spread(levels.zero_point, values.shape)
    return np.clip(np.rint(steps), 0, levels.highest).astype(np.uint8)


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.uint32)


@settings(deadline=None)  # the first example compiles
@given(
    shapes,
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.sampled_from(["tensor", "channel", "group"]),
    st.integers(1, 8),
    st.booleans(),
)
def test_a_part_that_is_not_made_is_the_one_that_would_be(
    shape: tuple[int, ...], seed: int, share: float, per: str, bits: int, symmetric: bool
) -> None:
    rng = np.random.default_rng(seed)
    source = Part.of(np.rint(8 * rng.standard_normal(shape, np.float32)) / 8)  # many magnitudes are equal
    magnitudes = np.sort(np.abs(source.values).reshape(-1))
    count = round(share * source.size)
    threshold = float(magnitudes[max(count - 1, 0)])
    below = int(np.searchsorted(magnitudes, threshold))
    cut = Cut(threshold, max(count - below, 0))
    flat = np.abs(source.values).reshape(-1)
    tied = np.flatnonzero(flat == threshold)[: cut.ties]
    values = source.values.copy()
    values.reshape(-1)[(flat < threshold) | np.isin(np.arange(flat.size), tied)] = 0

    pruned = source.without(cut)
    assert pruned.nonzeros == np.count_nonzero(values)
    np.testing.assert_array_equal(_bits(pruned.values), _bits(values))
    levels = _uniform(values, max(bits, 2), per, symmetric)
    ends = Part.of(values).ranges(levels.grouping)
    for found, expected in zip(pruned.ranges(levels.grouping), ends, strict=True):
        np.testing.assert_array_equal(found, expected)
    if bits == 1:
        levels = Affine(1, levels.grouping, levels.scale, np.full_like(levels.zero_point, 0.5), True)
    codes = _nearest(values, levels)
    made = Part.on_levels(levels, codes, values == 0)
    rounded = pruned.rounded(levels)
    again = Part.of(made.values)
    assert (rounded.nonzeros, rounded.fillers) == (again.nonzeros, again.fillers)  # counted before it is made
    np.testing.assert_array_equal(_bits(rounded.values), _bits(made.values))
    alive = values != 0
    assert rounded.codes is not None
    np.testing.assert_array_equal(rounded.codes[alive], codes[alive])
    assert (rounded.dissolved.levels, rounded.dissolved.bits) == (None, 32)
    np.testing.assert_array_equal(rounded.dissolved.values, rounded.values)


@settings(deadline=None)
@given(shapes, st.integers(0, 2**32 - 1), st.integers(1, 9), st.booleans())
def test_weights_take_the_nearest_centroid(shape: tuple[int, ...], seed: int, size: int, zero: bool) -> None:
    rng = np.random.default_rng(seed)
    source = Part.of(np.where(rng.random(shape) < 0.7, rng.standard_normal(shape, np.float32), np.float32(0)))
    table = np.unique(np.append(rng.standard_normal(size, np.float32), np.float32(0) if zero else np.float32(9)))
    levels = Codebook(4, table)
    rounded = source.rounded(levels)
    distance = np.abs(source.values.astype(np.float64)[..., None] - table)
    made = Part.on_levels(levels, distance.argmin(axis=-1).astype(np.uint8), source.values == 0)
    again = Part.of(made.values)
    assert (rounded.nonzeros, rounded.fillers) == (again.nonzeros, again.fillers)
    np.testing.assert_array_equal(_bits(rounded.values), _bits(made.values))


def test_a_cut_of_levels_leaves_them_and_their_codes() -> None:
    levels = Affine(3, Grouping("tensor"), np.ones(1, np.float32), np.full(1, 3, np.float32), True)
    part = Part.of(np.array([[3.2, -1.9, 0.8, -2.9]])).rounded(levels).without(Cut(2.0))
    assert part.levels is levels and part.codes is not None
    assert part.values.tolist() == [[3, 0, 0, -3]]
    assert part.codes[0, [0, 3]].tolist() == [6, 0]


def test_values_are_held_only_as_long_as_somebody_needs_them() -> None:
    part = Part.of(np.arange(1, 7).reshape(2, 3)).without(Cut(3.0))
    values = part.values
    assert part.values is values
    gone = weakref.ref(values)
    del values
    assert gone() is None
    assert part.nbytes < 1000


def test_zeros_of_many_parts_are_counted_as_those_of_each() -> None:
    rng = np.random.default_rng(0)
    parts = [Part.of(rng.standard_normal((size, 64))).without(Cut(0.5)) for size in (9000, 1, 40, 900)]
    count_zeros(parts)
    assert [part.nonzeros for part in parts] == [np.count_nonzero(part.values) for part in parts]


def test_what_follows_from_a_form_is_computed_once() -> None:
    form = Form.of(np.ones((2, 2)))
    calls: list[int] = []
    for _ in range(3):
        assert form.once("key", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert len(calls) == 1


@pytest.mark.parametrize("bits", [None, 2, 3])
@pytest.mark.parametrize("cut", [None, Cut(0.9), Cut(1.0, 7)], ids=["whole", "cut", "cut at ties"])
def test_channels_that_are_left_are_those_of_the_values(bits: int | None, cut: Cut | None) -> None:
    """Of weights many of which are just at the threshold; rounding empties further channels."""
    rng = np.random.default_rng(3)
    weights = rng.choice([0.1, -0.4, 1.0, -1.0, 1.3], (9, 14, 1, 2), p=[0.6, 0.28, 0.05, 0.05, 0.02]).astype(np.float32)
    part = Part.of(weights) if cut is None else Part.of(weights).without(cut)
    if bits is not None:
        grid = Affine(bits, Grouping("tensor"), np.float32([0.9]), np.float32([symmetric_zero_point(bits)]), True)
        part = part.rounded(grid)
    rows, columns = (part.values != 0).any((1, 2, 3)), (part.values != 0).any((0, 2, 3))
    np.testing.assert_array_equal(part.alive[0], rows)
    np.testing.assert_array_equal(part.alive[1], columns)
    assert part.alive_size == rows.sum() * columns.sum() * 2
