"""Located MNIST: every digit whole, once, where its box says."""

import numpy as np
import pytest

from workbench.data import datasets
from workbench.data.sets.located_mnist import SIDE, TIMES, boxes
from workbench.data.split import SPLITS


@pytest.mark.parametrize("name", ["calibration", "validation"])
def test_every_digit_lies_whole_on_its_canvas_and_nothing_else(name):
    placed, digits = datasets.load("located-mnist").split(name), datasets.load("mnist").split(name)
    assert placed.images.shape == (len(digits), 1, SIDE, SIDE)
    assert (placed.labels == digits.labels).all()
    assert (placed.images.sum((1, 2, 3)) == digits.images.sum((1, 2, 3))).all()
    for number in range(0, len(digits), 97):
        ink = placed.images[number, 0] >= 128
        left, top, right, bottom = np.rint(placed.truth[number] * SIDE).astype(int)
        inside = ink[top:bottom, left:right]
        assert inside.sum() == ink.sum()
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
        assert np.array_equal(inside, _cropped(digits.images[number, 0] >= 128))


def _cropped(ink):
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def test_it_is_made_alike_every_time_and_digits_lie_everywhere():
    split = datasets.load("located-mnist").split("validation")
    assert split.digest == "1e85bc0ea80e876ba670a354edc1b708de9d4bfff98443a20a1142a06d54f91a"
    centres = (split.truth[:, :2] + split.truth[:, 2:]) / 2
    assert (np.histogram2d(*centres.T, bins=3, range=[[0.2, 0.8]] * 2)[0] > 200).all()


def test_no_digit_is_in_two_splits():
    """They are those of MNIST, split by split, which have none in common."""
    data, digits = datasets.load("located-mnist"), datasets.load("mnist")
    for name in SPLITS:
        assert len(data.split(name)) == len(digits.split(name)) * TIMES.get(name, 1)


def test_a_box_by_hand():
    image = np.zeros((1, 8, 10), np.uint8)
    image[0, 2:5, 3] = 200
    image[0, 4, 3:8] = 128
    image[0, 7, 9] = 127  # too faint
    assert boxes(image)[0] == pytest.approx([0.3, 2 / 8, 0.8, 5 / 8])
