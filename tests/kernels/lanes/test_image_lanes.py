import numpy as np
import pytest
from in_lanes import groups

from workbench.kernels.lanes.images import Images, border, enter, leave
from workbench.kernels.lanes.vectors import LANES


def _images(count: int, channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, channels, height, width), np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (16, 3, 32, 32), (37, 5, 7, 3), (112, 1, 28, 28), (33, 20, 4, 4)])
@pytest.mark.parametrize("halo", [0, 2])
@pytest.mark.parametrize("threads", [1, 2])
def test_images_enter_and_leave(shape: tuple[int, int, int, int], halo: int, threads: int) -> None:
    x = _images(*shape)
    count, channels, height, width = shape
    y = Images.zeros(groups(count), channels, height, width, halo)
    assert (y.groups, y.channels, y.height, y.width) == (groups(count), channels, height, width)
    assert y.nbytes == y.groups * channels * (height + 2 * halo) * (width + 2 * halo) * 4 * LANES
    assert y.values.ctypes.data % 64 == 0
    enter(x, y, threads)
    expected = np.zeros((y.groups * LANES, channels, height, width), np.float32)
    expected[:count] = x
    padded = np.pad(expected, ((0, 0), (0, 0), (halo, halo), (halo, halo)))
    assert (y.values == padded.reshape(y.groups, LANES, *padded.shape[1:]).transpose(0, 2, 3, 4, 1)).all()
    assert (leave(y) == expected.reshape(len(expected), -1)).all()


def test_images_in_any_order_in_memory() -> None:
    x = _images(32, 5, 6, 7)
    found = []
    for one in (
        x,
        np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),  # channels last
        np.ascontiguousarray(x[:, :, ::-1])[:, :, ::-1],
        np.asfortranarray(x),
    ):
        y = Images.zeros(groups(32), 5, 6, 7, 1)
        enter(one, y)
        found.append(y.values)
    assert all((one == found[0]).all() for one in found)
    assert (found[0][1, 4, 1:-1, 1:-1, 3] == x[LANES + 3, 4]).all()


def test_lanes_beyond_the_last_image_stay() -> None:
    x = _images(40, 2, 3, 3)
    y = Images.zeros(groups(40), 2, 3, 3, 1)
    enter(x, y)
    enter(-x[:21], y)
    assert (leave(y)[:40] == np.concatenate([-x[:21], x[21:]]).reshape(40, -1)).all()
    enter(x[:0], y)
    assert (leave(y)[:21] == -x[:21].reshape(21, -1)).all()


def test_what_does_not_fit_is_refused() -> None:
    y = Images.zeros(1, 2, 3, 3, 1)
    for wrong in (_images(LANES + 1, 2, 3, 3), _images(1, 2, 3, 4), _images(1, 2, 3, 3).astype(np.float64)):
        with pytest.raises(ValueError, match=rf"Up to {LANES} images of \[2, 3, 3\] fit in here"):
            enter(wrong, y)
    for values, halo in (
        (np.zeros((1, 2, 3, 3, LANES + 1), np.float32), 0),
        (np.zeros((1, 2, 3, 3, LANES), np.float64), 0),
        (np.zeros((1, 2, 3, 3, LANES), np.float32), 2),
        (np.zeros((1, 2, 3, 3, LANES), np.float32)[:, :, ::-1], 0),
    ):
        with pytest.raises(ValueError, match="Images in lanes"):
            Images(values, halo)


@pytest.mark.parametrize(("height", "width", "least"), [(14, 14, 1), (8, 8, 0), (28, 28, 1), (7, 7, 0), (1, 1, 0)])
def test_planes_do_not_lie_a_power_of_two_apart(height: int, width: int, least: int) -> None:
    halo = border(height, width, least)
    assert halo in (least, least + 1)
    assert Images.zeros(1, 2, height, width, halo).nbytes // 2 % 2048
