"""Two points side by side."""

import pytest

from tests.widgets.reports import IMAGES, assessed
from widgets.views.comparison import comparison
from widgets.views.numbers import NBSP, times
from widgets.views.points import compressed_point
from workbench.accuracy.difference import Difference, difference
from workbench.compression.compressed import compress
from workbench.recipe import Recipe

DEVICE = "horowitz-45nm"


@pytest.fixture(scope="module")
def both(lenet):
    return [compressed_point(assessed(lenet, **sliders)) for sliders in ({"bits": 4}, {"sparsity": 0.9, "bits": 2})]


def by_key(content):
    return {row["key"]: row for row in content["rows"]}


def test_every_measure_that_is_known_of_one_is_compared(both):
    found = by_key(comparison(*both, DEVICE))
    assert set(found) == {*both[0].figures, *both[0].on[DEVICE], "accuracy"} - {"macs"}
    first, second = (one.figures["size"].value for one in both)
    assert found["size"]["change"] == times(first, second, "smaller", "larger")
    assert found["size"]["better"] == "second"
    assert by_key(comparison(*reversed(both), DEVICE))["size"]["better"] == "first"


def test_what_differs_is_said_as_the_paired_difference_says_it(lenet, both):
    networks = [compress(lenet, Recipe.from_object(one.recipe)) for one in both]
    found = difference(*networks, IMAGES)
    content = comparison(*both, DEVICE, "Accuracy", found)
    assert f"{found.differ} of {IMAGES}" in content["images"]
    assert f"{found.lost} right only in the first, {found.gained} only in the second" in content["images"]
    assert content["verdict"].startswith("Accuracy differs by \u2212")
    assert by_key(content)["accuracy"]["better"] == "first"


def test_what_the_images_cannot_tell_apart_is_no_difference(both):
    content = comparison(*both, DEVICE, "Accuracy", Difference(0.0004, -0.0002, 0.001, 10_000, 14, 10, 31))
    assert content["verdict"].startswith("No clear difference in accuracy on these 10,000 images")
    assert f"\u22120.02 to +0.10{NBSP}points" in content["verdict"]
    assert by_key(content)["accuracy"]["change"] == "no clear difference"
    assert by_key(content)["accuracy"]["better"] == ""


def test_one_image_and_none_are_said_in_their_own_words(both):
    one = comparison(*both, DEVICE, "Accuracy", Difference(0.0025, -0.003, 0.008, 400, 1, 0, 1))
    assert one["images"].startswith("1 of 400 images gets another answer")
    none = comparison(*both, DEVICE, "Accuracy", Difference(0.0, -0.001, 0.001, 400, 0, 0, 0))
    assert none["images"] == "Both answer all 400 images alike."


def test_before_the_answers_are_known_nothing_is_said_of_them(both):
    content = comparison(*both, DEVICE)
    assert (content["verdict"], content["images"]) == ("", "")
    assert by_key(content)["accuracy"]["better"] == ""


def test_numbers_that_are_not_simply_right_have_no_images_that_differ(both):
    content = comparison(*both, DEVICE, "Variance explained", Difference(0.1, None, None, 20, 0, 0, None))
    assert content["images"] == ""
    assert "too few images" in content["verdict"]
