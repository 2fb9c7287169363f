"""The steps beside the sliders, as they are offered on the page."""

from widgets.controls import steps
from widgets.controls.steps import SLIDERS, Added, placed
from workbench.method import AXES, METHODS


def test_every_method_is_offered_once_with_all_its_settings_under_its_family():
    offered = {method["name"]: (family, method) for family in steps.describe() for method in family["methods"]}
    assert sorted(offered) == sorted(METHODS)
    for name, (family, method) in offered.items():
        assert family["family"].lower() == name.split(".")[0].replace("-", " ")
        assert {setting["name"] for setting in method["settings"]} == set(METHODS[name].settings())


def test_a_step_that_is_added_does_something():
    for family in steps.describe():
        for offered in family["methods"]:
            method = METHODS[offered["name"]](**offered["start"])
            driven = method.axis()
            assert driven is None or getattr(method, driven[0]) != AXES[driven[1].axis].off


def test_sliders_that_are_off_stand_behind_the_one_that_they_follow():
    more = Added(METHODS["prune.n-m"]())
    assert placed(()) == SLIDERS == ("rank", "sparsity", "bits")
    assert placed((more,)) == ("rank", "sparsity", "bits", more)
    assert placed((more, "sparsity", more)) == ("rank", more, "sparsity", "bits", more)
    assert placed(("bits", "rank")) == ("bits", "rank", "sparsity")
