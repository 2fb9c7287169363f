"""The sliders: derived from the methods, with stops that give exactly the values that the command line takes."""

import pytest

from widgets.controls.settings import shown
from widgets.controls.sliders import ORDER, Slider, describe, methods, options, sliders
from workbench.errors import RecipeError
from workbench.method import AXES, METHODS


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("sparsity", Slider("sparsity", low=0, high=100, off=0, scale=100)),
        ("bits", Slider("bits", low=1, high=9, off=9, scale=1)),
        ("rank", Slider("rank", low=1, high=100, off=100, scale=100)),
    ],
)
def test_stops_come_from_the_setting(axis, expected):
    assert sliders()[axis] == expected


@pytest.mark.parametrize("axis", ORDER)
def test_every_stop_has_a_value_and_every_value_its_stop(axis):
    slider = sliders()[axis]
    for stop in range(slider.low, slider.high + 1):
        assert slider.stop(slider.value(stop)) == stop
        assert slider.check(stop) == stop
    assert slider.value(slider.off) == AXES[axis].off


def test_a_share_is_the_number_that_a_person_would_type():
    assert [sliders()["sparsity"].value(stop) for stop in (7, 29, 57, 58)] == [0.07, 0.29, 0.57, 0.58]


@pytest.mark.parametrize("stop", [-1, 101, 50.0, "50", True, None, [50], 2**70, float("nan")])
def test_anything_but_a_stop_is_refused(stop):
    with pytest.raises(RecipeError, match="sparsity slider"):
        sliders()["sparsity"].check(stop)


def test_every_method_with_a_slider_that_needs_no_training_is_offered_once_the_default_first():
    offered = [name for axis in ORDER for name in methods(axis)]
    assert sorted(offered) == sorted(
        name for name, method in METHODS.items() if method.axis() and method.mode != "trained"
    )
    assert [next(iter(methods(axis))) for axis in ORDER] == [AXES[axis].method for axis in ORDER]


def test_what_the_page_is_sent_names_every_option_with_its_help():
    for slider in describe():
        for sent in slider["methods"]:
            method = methods(slider["axis"])[sent["name"]]
            assert [one["name"] for one in sent["options"]] == list(options(method))
            assert all(one["help"] and one["default"] == getattr(method(), one["name"]) for one in sent["options"])


def test_a_value_in_an_error_is_short():
    assert len(shown("x" * 10_000)) == 40
