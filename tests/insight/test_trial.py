"""Pictures brought to how a data set looks, and what both networks say of them."""

import numpy as np
import pytest

import workbench
from workbench.accuracy.examiner import answers_so_far
from workbench.insight.behaviour import behaviour
from workbench.insight.drawing import entering, fitted
from workbench.insight.pictures import LARGEST, drawable, pixels
from workbench.insight.trial import both


@pytest.fixture(scope="module")
def digits(lenet):
    return lenet.data.split("test")


def test_of_a_test_image_both_say_what_accuracy_was_counted_on(squeezed, digits):
    found = behaviour(squeezed)
    for place in range(40):
        image = int(found.images.order[place])
        before, after = both(squeezed, entering(digits.images[image], digits))
        assert (before.answer[0], after.answer[0]) == (found.before[place], found.after[place])
        assert after.probabilities.sum() == pytest.approx(1) and after.probabilities.argmax() == after.answer[0]
    assert (answers_so_far(squeezed)[:40] == found.after[:40]).all()


def test_what_enters_a_network_is_what_the_split_gives(digits):
    assert np.array_equal(entering(digits.images[3], digits), digits.inputs(np.array([3])).numpy())


def test_mnists_own_images_are_framed_as_mnist_was(digits):
    """LeCun et al. 1998: a box of 20 × 20, the centre of mass in the middle of 28 × 28."""
    same = [np.array_equal(fitted(image, digits, 20).pixels, image) for image in digits.images[:200]]
    assert np.mean(same) > 0.85  # the others lie on the border between two pixels


def test_a_small_digit_in_a_corner_is_brought_to_the_middle(digits):
    drawn = np.zeros((1, 28, 28), np.uint8)
    drawn[0, 2:12, 3:5] = 255  # a stroke, 10 high and 2 wide
    found = fitted(drawn, digits, 20)
    rows, columns = (np.flatnonzero(found.pixels[0].any(axis)) for axis in (1, 0))
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == (20, 4)
    mass = found.pixels[0].astype(float)
    for axis in (0, 1):
        assert 14 <= mass.sum(1 - axis) @ (np.arange(28) + 0.5) / mass.sum() < 15
    assert found.boxed and not found.inverted and not found.blank


def test_dark_ink_on_light_paper_is_turned_round_and_an_empty_picture_is_told(digits):
    drawn = np.zeros((1, 28, 28), np.uint8)
    drawn[0, 5:20, 10:14] = 200
    light = fitted(255 - drawn, digits, 20)
    assert light.inverted and np.array_equal(light.pixels, fitted(drawn, digits, 20).pixels)
    assert fitted(np.zeros_like(drawn), digits, 20).blank and fitted(np.full_like(drawn, 255), digits, 20).blank
    assert not fitted(drawn, digits, None).boxed and np.array_equal(fitted(drawn, digits, None).pixels, drawn)


def test_pictures_are_bytes_and_large_ones_are_averaged():
    images = np.random.default_rng(0).normal(size=(3, 3, 130, 129)).astype(np.float32)
    split = workbench.Dataset.from_arrays("own", test=(images, np.zeros(3, int))).split("test")
    found = pixels(split, np.array([2, 0]))
    assert found.shape == (2, 43, 43, 3) and max(found.shape[1:3]) <= LARGEST
    whole = images[2, 1]
    scaled = np.rint(255 * (whole - images[2].min()) / (images[2].max() - images[2].min()))
    assert abs(int(found[0, 4, 7, 1]) - scaled[12:15, 21:24].mean()) <= 1
    assert drawable((3, 32, 32)) and drawable((1, 28, 28)) and not drawable((784,)) and not drawable((2, 8, 8))
