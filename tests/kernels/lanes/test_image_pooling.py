import numpy as np
import pytest
from in_lanes import entered, groups, left
from numpy.lib.stride_tricks import sliding_window_view

from workbench.kernels.lanes.images import Images
from workbench.kernels.lanes.pooling import combine, max_pool, mean


def _images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _pooled(x: np.ndarray, size: int) -> np.ndarray:
    windows = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::size, ::size]
    return windows.max(axis=(-2, -1))


def _only_inside(y: Images) -> bool:
    """Whether the halo is zero."""
    values, halo = y.values.copy(), y.halo
    values[:, :, halo : values.shape[2] - halo, halo : values.shape[3] - halo] = 0
    return not values.any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("height", "width", "size"), [(28, 28, 2), (7, 9, 2), (7, 7, 3), (5, 5, 5), (4, 3, 1)])
def test_max_pool(height: int, width: int, size: int, threads: int) -> None:
    x = _images(37, 5, height, width)
    y = Images.zeros(groups(37), 8, height // size, width // size, 1)
    max_pool(entered(x, 2), y, size, 2, threads)
    expected = _pooled(x, size)
    found = left(y, 37)
    assert (found[:, 2:7] == expected).all()
    assert not found[:, :2].any() and not found[:, 7:].any() and _only_inside(y)


def test_max_pool_keeps_nan() -> None:
    x = _images(16, 1, 4, 4)
    x[3, 0, 0, 0] = x[4, 0, 0, 1] = x[5, 0, 1, 0] = x[6, 0, 1, 1] = np.nan
    y = Images.zeros(groups(16), 1, 2, 2, 0)
    max_pool(entered(x, 0), y, 2)
    expected = _pooled(x, 2)
    np.testing.assert_array_equal(left(y, 16), expected)
    assert np.isnan(expected).sum() == 4


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 7), (4, 8), (3, 1)])
def test_mean(height: int, width: int, threads: int) -> None:
    x = _images(37, 5, height, width)
    y = Images.zeros(groups(37), 7, 1, 1, 1)
    mean(entered(x, 1), y, 1, threads)
    found = left(y, 37)
    np.testing.assert_allclose(found[:, 1:6, 0, 0], x.mean((2, 3), np.float64), rtol=0, atol=1e-6)
    assert not found[:, 0].any() and not found[:, 6].any() and _only_inside(y)


@pytest.mark.parametrize("threads", [1, 2])
def test_combine(threads: int) -> None:
    x, other = _images(37, 4, 6, 5), _images(38, 4, 6, 5)[1:]
    inside, beside = entered(x, 1), entered(other, 0)
    y = Images.zeros(groups(37), 9, 6, 5, 2)
    combine(inside, y, channel=5, threads=threads)
    combine(inside, y, beside, -0.5, 1, channel=1, threads=threads)
    found = left(y, 37)
    assert (found[:, 5:] == x).all()
    assert (found[:, 1:5] == np.clip(x + other, np.float32(-0.5), np.float32(1))).all()
    assert not found[:, 0].any() and _only_inside(y)
    combine(inside, inside, beside, low=0, threads=threads)
    assert (left(inside, 37) == np.maximum(x + other, 0)).all()


def test_combine_keeps_nan() -> None:
    x = _images(16, 1, 2, 2)
    x[3, 0, 1, 1] = np.nan
    y = Images.zeros(groups(16), 1, 2, 2, 0)
    combine(entered(x, 1), y, low=0, high=1)
    np.testing.assert_array_equal(left(y, 16), np.clip(x, 0, 1))


def test_what_does_not_fit_is_refused() -> None:
    x = Images.zeros(1, 2, 6, 6, 1)
    with pytest.raises(ValueError, match="do not fit into 1 groups of 2×3×2 from channel 0"):
        max_pool(x, Images.zeros(1, 2, 3, 2, 0), 2)
    with pytest.raises(ValueError, match="from channel 1"):
        mean(x, Images.zeros(1, 2, 1, 1, 0), 1)
    with pytest.raises(ValueError, match="do not fit"):
        combine(x, Images.zeros(2, 2, 6, 6, 0))
    with pytest.raises(ValueError, match="Images to add are 1 groups of 2×6×6, not 1 groups of 3×6×6"):
        combine(x, x, Images.zeros(1, 3, 6, 6, 0))
    with pytest.raises(ValueError, match="A window has 1 row and column or more, not 0"):
        max_pool(x, x, 0)
