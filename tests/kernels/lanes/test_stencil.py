from itertools import product
from typing import Any

import numpy as np
import pytest
from in_lanes import entered, groups, left
from numpy.lib.stride_tricks import sliding_window_view

from workbench.kernels.lanes import stencil
from workbench.kernels.lanes.images import Images, leave
from workbench.kernels.lanes.stencil import Stencil

# Outputs, inputs, kernel, stride, padding, dilation, groups, image, images.
CASES = [
    (1, 1, (1, 1), (1, 1), (0, 0), (1, 1), 1, (1, 1), 1),
    (5, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, (5, 6), 20),
    (8, 8, (3, 3), (1, 1), (1, 1), (1, 1), 1, (7, 7), 112),
    (4, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, (30, 29), 16),
    (6, 4, (3, 3), (2, 2), (1, 1), (1, 1), 1, (14, 14), 17),
    (33, 3, (3, 2), (2, 1), (1, 0), (1, 1), 1, (9, 11), 5),
    (10, 40, (1, 1), (1, 1), (0, 0), (1, 1), 1, (7, 7), 16),
    (24, 5, (1, 1), (2, 2), (0, 0), (1, 1), 1, (14, 14), 33),
    (5, 2, (2, 2), (3, 3), (1, 1), (1, 1), 1, (10, 10), 3),
    (4, 3, (3, 3), (1, 1), (1, 1), (2, 1), 1, (3, 5), 16),
    (18, 18, (3, 3), (1, 1), (1, 1), (1, 1), 18, (7, 7), 40),
    (8, 8, (3, 3), (2, 2), (1, 1), (1, 1), 8, (7, 7), 40),
    (12, 6, (3, 1), (1, 1), (2, 2), (2, 1), 3, (8, 5), 16),
    (10, 6, (4, 4), (1, 1), (0, 0), (1, 1), 1, (4, 4), 100),
    (3, 70, (1, 1), (1, 1), (0, 0), (1, 1), 1, (1, 1), 500),
    (3, 4, (3, 3), (1, 1), (1, 1), (1, 1), 1, (2, 2), 112),
    (5, 90, (3, 3), (1, 1), (1, 1), (1, 1), 1, (4, 9), 16),
]


def _layer(case: Any, density: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, bias and images."""
    out, channels, kernel, _, _, _, groups, image, count = case
    random = np.random.default_rng(0)
    weight = random.standard_normal((out, channels // groups, *kernel), np.float32)
    weight[random.random(weight.shape) >= density] = 0
    bias = random.standard_normal(out, np.float32)
    return weight, bias, random.standard_normal((count, channels, *image), np.float32)


def _made(case: Any, weight: np.ndarray, bias: np.ndarray | None, halo: int = 0) -> Stencil:
    _, _, _, stride, padding, dilation, groups, image, _ = case
    return Stencil.of(weight, bias, image, max(halo, *padding), stride, padding, dilation, groups)


def _reference(case: Any, weight: np.ndarray, bias: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The convolution in double precision, and what rounding of single ones may change about it."""
    _, _, _, stride, padding, dilation, groups, _, _ = case
    x, weight, bias = (one.astype(np.float64) for one in (x, weight, bias))
    padded = np.pad(x, ((0, 0), (0, 0), *((many, many) for many in padding)))
    reach = [distance * (size - 1) + 1 for distance, size in zip(dilation, weight.shape[2:], strict=True)]
    windows = sliding_window_view(padded, reach, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    windows = windows.reshape(len(x), groups, -1, *windows.shape[2:])

    def convolved(windows: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        split = weight.reshape(groups, -1, *weight.shape[1:])
        found = np.einsum("ngchwij,gocij->ngohw", windows, split, optimize=True)
        return found.reshape(len(x), -1, *found.shape[3:]) + bias[:, None, None]

    sizes = convolved(np.abs(windows), np.abs(weight), np.abs(bias))
    return convolved(windows, weight, bias), sizes * 2e-7 * (2 + weight[0].size) ** 0.5


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("density", [0, 0.1, 0.5, 1])
def test_a_convolution(case: Any, density: float) -> None:
    weight, bias, x = _layer(case, density)
    layer = _made(case, weight, bias)
    expected, reach = _reference(case, weight, bias, x)
    assert layer.output_size == expected.shape[2:] and layer.outputs == len(weight)
    assert layer.nonzeros == np.count_nonzero(weight)
    inside = entered(x, layer.halo)
    y = Images.zeros(inside.groups, layer.outputs, *layer.output_size, 1)
    layer.run(inside, y)
    assert (np.abs(left(y, len(x)) - expected) <= reach).all()
    again = Images.zeros(inside.groups, layer.outputs, *layer.output_size, 0)
    for threads in (2, 3):
        layer.run(inside, again, threads=threads)
        assert (leave(again) == leave(y)).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (30, 1), *((n, n) for n in range(2, 31, 4))])
def test_planes_of_every_size(height: int, width: int) -> None:
    case = (3, 2, (3, 3), (1, 1), (1, 1), (1, 1), 1, (height, width), 33)
    weight, bias, x = _layer(case, 0.6)
    layer, inside = _made(case, weight, bias), entered(x, 1)
    y = Images.zeros(groups(33), 3, height, width, 0)
    layer.run(inside, y, threads=2)
    expected, reach = _reference(case, weight, bias, x)
    assert (np.abs(left(y, 33) - expected) <= reach).all()


@pytest.mark.parametrize("sums", [6, 14, 28])
def test_blocks_cover_every_output_once(sums: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stencil, "most_sums", lambda: sums)
    for height, width, depth in product((1, 2, 3, 7, 13, 28, 57), (1, 2, 5, 8, 29, 56), (1, 7, 63)):
        spans, rows, columns = stencil._blocks.__wrapped__(height, width, depth)
        for pieces, length in ((rows, depth if spans else height), (columns, width)):
            covered = [first + i * size for first, size, count in pieces for i in range(count)]
            sizes = [size for _, size, count in pieces for _ in range(count)]
            assert covered == [sum(sizes[:i]) for i in range(len(sizes))] and sum(sizes) == length
        assert rows[0][1] * columns[0][1] <= sums


def test_panels_do_not_change_a_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[-1]
    weight, bias, x = _layer(case, 0.7)
    inside, found = entered(x, 1), []
    for size in (1 << 30, 1 << 15, 1 << 12, 64):
        monkeypatch.setattr(stencil, "_PANEL", size)
        monkeypatch.setattr(stencil, "_LEAST", 1)
        layer = _made(case, weight, bias)
        y = Images.zeros(groups(16), layer.outputs, *layer.output_size, 0)
        layer.run(inside, y, low=-1, high=2, threads=2)
        found.append(leave(y))
    assert layer.ends.size > 90 * layer.outputs  # panels of less than a channel
    assert all((one == found[0]).all() for one in found)


def test_what_is_added_and_the_limits() -> None:
    case = CASES[2]
    weight, bias, x = _layer(case, 0.5)
    layer, inside = _made(case, weight, bias), entered(x, 1)
    added = np.random.default_rng(1).standard_normal((112, 8, 7, 7), np.float32)
    expected, reach = _reference(case, weight, bias, x)
    expected = np.clip(expected + added, -0.5, 6)
    y = Images.zeros(groups(112), 13, 7, 7, 2)
    layer.run(inside, y, 4, -0.5, 6, entered(added, 3), threads=2)
    found = left(y, 112)
    assert (np.abs(found[:, 4:12] - expected) <= reach + 1e-6).all()
    assert not found[:, :4].any() and not found[:, 12:].any()
    onto = entered(added, 1)  # written over itself
    layer.run(inside, onto, low=-0.5, high=6, beside=onto)
    assert (left(onto, 112) == found[:, 4:12]).all()


def test_a_halo_stays_zero() -> None:
    case = CASES[3]
    weight, bias, x = _layer(case, 0.5)
    layer = _made(case, weight, bias, halo=3)
    y = Images.zeros(groups(16), 4, *layer.output_size, 2)
    layer.run(entered(x, 3), y)
    expected, reach = _reference(case, weight, bias, x)
    assert (np.abs(left(y, 16) - expected) <= reach).all()
    y.values[:, :, 2:-2, 2:-2] = 0
    assert not y.values.any()


def test_nan_stays_nan_and_in_its_image() -> None:
    case = CASES[2]
    weight, bias, x = _layer(case, 1)
    layer = _made(case, weight, bias)
    y = Images.zeros(groups(112), 8, 7, 7, 0)
    layer.run(entered(x, 1), y, low=0, high=1)
    before = left(y, 112)
    x[37, 3] = np.nan
    layer.run(entered(x, 1), y, low=0, high=1)
    after = left(y, 112)
    others = np.arange(112) != 37
    assert np.isnan(after[37]).all() and (after[others] == before[others]).all()


def test_a_layer_without_bias_or_weights() -> None:
    case = CASES[1]
    weight, bias, x = _layer(case, 0.5)
    inside = entered(x, 1)
    y, z = (Images.zeros(groups(20), 5, 5, 6, 0) for _ in range(2))
    _made(case, weight, None).run(inside, y)
    _made(case, weight, np.zeros(5, np.float32)).run(inside, z)
    assert (leave(y) == leave(z)).all()
    _made(case, weight * 0, bias).run(inside, y, threads=2)
    assert (left(y, 20) == bias[:, None, None]).all()
    none = _made(case, weight[:0], bias[:0])
    none.run(inside, y)  # writes nothing
    assert none.nonzeros == 0 and (left(y, 20) == bias[:, None, None]).all()


def test_what_does_not_fit_is_refused() -> None:
    case = CASES[1]
    weight, bias, x = _layer(case, 0.5)
    layer, inside = _made(case, weight, bias), entered(x, 1)
    y = Images.zeros(groups(20), 5, 5, 6, 0)
    with pytest.raises(ValueError, match="halo of 0 is too small"):
        Stencil.of(weight, bias, (5, 6), 0, padding=(1, 1))
    with pytest.raises(ValueError, match="does not fit into an image of 1×6"):
        Stencil.of(weight, bias, (1, 6), 0)
    with pytest.raises(ValueError, match="5 outputs do not divide into 2 groups"):
        Stencil.of(weight, bias, (5, 6), 0, groups=2)
    with pytest.raises(ValueError, match="cannot have stride"):
        Stencil.of(weight, bias, (5, 6), 0, stride=(0, 1))
    with pytest.raises(ValueError, match="A kernel is float32"):
        Stencil.of(weight.astype(np.float64), bias, (5, 6), 0)
    with pytest.raises(ValueError, match="A bias for 5 outputs"):
        Stencil.of(weight, bias[1:], (5, 6), 0)
    with pytest.raises(ValueError, match="too large for places of 32 bits"):
        Stencil.of(np.zeros((1, 3, 1, 1), np.float32), None, (30000, 30000), 0)
    with pytest.raises(ValueError, match="is of images 3×5×6 with a halo of 1, not 3×5×6 with one of 2"):
        layer.run(entered(x, 2), y)
    with pytest.raises(ValueError, match=f"do not fit into {groups(20)} of 5×5×6 from channel 1"):
        layer.run(inside, y, 1)
    with pytest.raises(ValueError, match=f"cannot be {groups(20)} of 4×5×6"):
        layer.run(inside, y, beside=Images.zeros(groups(20), 4, 5, 6, 0))
