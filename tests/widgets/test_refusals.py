"""Which layers a slider leaves alone, and why: what compressing them would say, known before a move."""

import pytest

import workbench
from widgets.controls.position import Position
from widgets.controls.refusals import refusals
from workbench.errors import RecipeError
from workbench.recipe import Recipe


def of(model: workbench.Model, **methods: str):
    position = Position(model.name, "horowitz-45nm")
    return refusals(model, Position(model.name, "horowitz-45nm", methods={**position.methods, **methods}))


def test_a_layer_that_takes_no_value_is_one_that_compressing_refuses_and_one_that_is_spared_takes_its_own():
    model = workbench.load("mobilenet-v2/fashion-mnist")
    found = of(model)["rank"]
    for layer in model.layers:
        recipe = Recipe.sliders(overrides={layer.name: {"rank": 0.5}})
        if found.get(layer.name, {}).get("fixed"):
            with pytest.raises(RecipeError, match=found[layer.name]["text"]):
                workbench.compress(model, recipe)
        else:
            assert workbench.compress(model, recipe).forms[layer.name].factored
    assert found["fc"]["fixed"] is False
    assert sum(one["fixed"] for one in found.values()) == 7


def test_it_goes_by_the_method_that_the_slider_drives(lenet):
    assert set(of(lenet)) == {"rank"}
    assert not of(lenet)["rank"]["fc3"]["fixed"]
    tucker = of(lenet, rank="factorize.tucker")["rank"]
    assert {name for name, one in tucker.items() if one["fixed"]} == {"fc1", "fc2", "fc3"}


def test_of_a_network_without_weights_what_needs_them_is_refused():
    model = workbench.load("perceptron-20")
    assert model.blank
    found = of(model, bits="quantize.kmeans")
    assert {axis: all(one["fixed"] for one in left.values()) for axis, left in found.items()} == {
        "rank": False,
        "bits": True,
    }
