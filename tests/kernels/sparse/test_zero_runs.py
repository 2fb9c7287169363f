"""Zeros counted without being made: against pruning, quantising and listing them one by one."""

import numpy as np
import pytest

from tests import naive
from workbench.kernels.sparse.gaps import WIDTHS
from workbench.kernels.sparse.zero_runs import count, dead_zones, place_after
from workbench.kernels.statistics.deviations import deviations
from workbench.kernels.statistics.fake_quantize import fake_quantize, ranges

SHAPES = [(1, 1), (1, 63), (1, 64), (1, 65), (7, 9), (3, 147), (130, 1), (5, 300), (2, 1300)]


def _weights(shape: tuple[int, int], seed: int, kept: float = 1.0, steps: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape).astype(np.float32)
    if steps:
        values = np.rint(values * steps).astype(np.float32) / np.float32(steps)
    return np.where(rng.random(shape) < kept, values, np.float32(0)) + np.float32(0)


def _naive(values: np.ndarray) -> tuple[int, list[int]]:
    listed = [naive.relative_index(values.reshape(-1).tolist(), width) for width in WIDTHS]
    return int(np.count_nonzero(values)), [sum(value == 0 for _, value in written) for written in listed]


def _counted(*arguments: object) -> tuple[int, list[int]]:
    nonzeros, fillers = count(*arguments)  # type: ignore[arg-type]
    return nonzeros, fillers.tolist()


def _cut(values: np.ndarray, threshold: float, boundary: int) -> np.ndarray:
    flat = np.abs(values.reshape(-1))
    gone = (flat < threshold) | ((flat == threshold) & (np.arange(flat.size) < boundary))
    return np.where(gone.reshape(values.shape), np.float32(0), values)


NOTHING = np.zeros(1, np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.3, 0.9, 1.0])
def test_zeros_as_they_are(shape: tuple[int, int], kept: float) -> None:
    values = _weights(shape, 1, kept)
    assert _counted(values, NOTHING, NOTHING) == _naive(values)


@pytest.mark.parametrize("run", [3, 4, 255, 256, 511, 512, 513, 1027])
def test_a_long_run_and_the_zeros_after_the_last_weight(run: int) -> None:
    values = np.zeros((1, 3 * run), np.float32)
    values[0, run] = values[0, run + 1] = 1
    assert _counted(values, NOTHING, NOTHING) == _naive(values)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [0.0, 3.0])
def test_a_cut_with_and_without_ties(shape: tuple[int, int], steps: float) -> None:
    values = _weights(shape, 2, 0.9, steps)
    magnitudes = np.sort(np.abs(values).reshape(-1))
    for share in (0.0, 0.2, 0.7, 0.99):
        threshold = float(magnitudes[int(share * (values.size - 1))])
        for boundary in (0, values.size // 2, values.size):
            assert _counted(values, NOTHING, NOTHING, None, threshold, boundary) == _naive(
                _cut(values, threshold, boundary)
            )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [None, 64, "row"])
def test_what_a_grid_rounds_to_zero(shape: tuple[int, int], bits: int, symmetric: bool, size: int | str | None) -> None:
    run = shape[1] if size == "row" else size
    assert run is None or isinstance(run, int)
    values = _weights(shape, 3, 0.9)
    threshold = float(np.median(np.abs(values)))
    cut = _cut(values, threshold, values.size)
    low, high = ranges(cut, run)
    centre = 2 ** (bits - 1) - 1
    highest = 2 * centre if symmetric else 2**bits - 1
    wide = np.maximum(-low, high) / np.float32(centre) if symmetric else (high - low) / np.float32(highest)
    scale = np.maximum(wide, np.finfo(np.float32).tiny)
    point = np.full_like(scale, centre) if symmetric else np.rint(-low / scale)
    levels = fake_quantize(cut, scale, point, highest, run)
    zones = dead_zones(scale, point, highest)
    assert _counted(values, *zones, run, threshold) == _naive(levels)


def test_dead_zones_end_just_where_the_next_weight_is_not_zero() -> None:
    rng = np.random.default_rng(4)
    scale = np.exp(rng.uniform(-80, 80, 500)).astype(np.float32)
    point = rng.integers(1, 255, 500).astype(np.float32)
    low, high = dead_zones(scale, point, 255)
    for group in range(scale.size):
        for end, away in ((low[group], -np.inf), (high[group], np.inf)):
            beyond = np.nextafter(end, np.float32(away))
            assert naive.fake_quantized(float(end), float(scale[group]), float(point[group]), 255)[1] == 0
            assert naive.fake_quantized(float(beyond), float(scale[group]), float(point[group]), 255)[1] != 0


def test_a_grid_that_ends_at_zero_swallows_that_side_and_one_without_zero_nothing() -> None:
    scale = np.ones(3, np.float32)
    low, high = dead_zones(scale, np.array([0, 14, 0.5], np.float32), 14)
    assert low.tolist() == pytest.approx([-np.inf, -0.5, 0], rel=1e-6)
    assert high.tolist() == pytest.approx([0.5, np.inf, 0], rel=1e-6)


def test_nothing_is_counted_in_an_empty_tensor() -> None:
    assert _counted(np.zeros((0, 5), np.float32), NOTHING, NOTHING) == (0, [0] * len(WIDTHS))


def test_dead_zones_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 groups need as many float32 dead zones"):
        count(np.ones((3, 4), np.float32), NOTHING, NOTHING, 4)


def test_the_place_after_the_last_tie_that_is_cut() -> None:
    weights = np.array([[1, -2, 2], [2, 3, -2]], np.float32)
    assert [place_after(weights, 2, ties) for ties in range(6)] == [0, 2, 3, 4, 6, 6]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [None, 64, "row"])
@pytest.mark.parametrize("centred", [True, False])
def test_deviations_are_those_of_the_weights_that_are_left(
    shape: tuple[int, int], size: int | str | None, centred: bool
) -> None:
    run = shape[1] if size == "row" else size
    assert run is None or isinstance(run, int)
    values = _weights(shape, 5, 0.9, 4)
    threshold, boundary = 0.5, values.size // 3
    cut = _cut(values, threshold, boundary).astype(np.float64)
    step = values.size if run is None else run
    rows = [cut.reshape(-1)] if run is None else [row[at : at + step] for row in cut for at in range(0, len(row), step)]
    alive = [row[row != 0] for row in rows]
    mean = [0.0 if centred or not one.size else one.mean() for one in alive]
    spread = [np.abs(one - middle).mean() if one.size else 0.0 for one, middle in zip(alive, mean, strict=True)]
    found = deviations(values, run, threshold, boundary, centred)
    np.testing.assert_allclose(found[0], mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[1], spread, rtol=1e-12)
