"""Recipes: sliders, overrides, JSON both ways, digests, and one sentence for each thing that is wrong."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from workbench.errors import RecipeError
from workbench.method import AXES, METHODS
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step

recipes = st.builds(
    Recipe.sliders,
    sparsity=st.floats(0, 1),
    bits=st.sampled_from([*range(1, 9), 32]),
    rank=st.floats(0, 1),
    overrides=st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.fixed_dictionaries({}, optional={"sparsity": st.floats(0, 1), "bits": st.sampled_from([1, 8, 32])}),
        max_size=2,
    ),
)


@given(recipes)
def test_json_round_trip_keeps_the_recipe_and_its_digest(recipe: Recipe) -> None:
    back = Recipe.from_json(recipe.to_json())
    assert back == recipe
    assert back.digest == recipe.digest


def test_sliders_that_are_off_add_no_step() -> None:
    assert Recipe.sliders() == Recipe()
    assert [step.method.name for step in Recipe.sliders(sparsity=0.9, bits=4, rank=0.5).steps] == [
        "factorize.svd",
        "prune.magnitude",
        "quantize.uniform",
    ]


def test_an_override_can_switch_a_layer_off_or_be_the_only_one_on() -> None:
    without = Recipe.sliders(bits=4, overrides={"fc3": {"bits": 32}})
    assert without.steps[0].method_for("fc3") is None
    assert without.steps[0].method_for("fc1") == Uniform(bits=4)
    only = Recipe.sliders(overrides={"fc3": {"sparsity": 0.5}})
    assert only.steps[0].layers == ("fc3",)
    assert only.steps[0].method_for("fc3") == Magnitude(sparsity=0.5)


def test_every_slider_is_some_methods_field() -> None:
    driven = {found[1].axis for method in METHODS.values() if (found := method.axis())}
    assert driven == set(AXES)


def test_equal_choices_have_equal_digests_whatever_their_order() -> None:
    one = Recipe(
        (Step(Magnitude(sparsity=0.5), None, {"a": {"sparsity": 0.1}, "b": None}),), {"x": "dense", "y": "dense"}
    )
    two = Recipe(
        (Step(Magnitude(sparsity=0.5), None, {"b": None, "a": {"sparsity": 0.1}}),), {"y": "dense", "x": "dense"}
    )
    assert one.digest == two.digest
    assert one.digest != Recipe.sliders(sparsity=0.5).digest


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"sparsity": 1.5}, "The sparsity slider: sparsity must be a number from 0 to 1, not 1.5"),
        ({"sparsity": float("nan")}, "sparsity must be a number from 0 to 1, not nan"),
        ({"bits": 9}, "The bits slider (32 switches it off): bits must be a number from 1 to 8, not 9"),
        ({"bits": 2.5}, "bits must be a whole number, not 2.5"),
        ({"bits": True}, "bits must be a number"),
        ({"rank": -0.1}, "The rank slider: rank must be a number from 0 to 1"),
        ({"rank": "half"}, "rank must be a number from 0 to 1, not 'half'"),
        ({"overrides": {"fc1": {"sparsity": 7}}}, "Layer 'fc1': The sparsity slider"),
        ({"overrides": {"fc1": {"colour": 7}}}, "Layer 'fc1': there is no slider 'colour'"),
        ({"bits": 4, "methods": {"bits": "prune.magnitude"}}, "'prune.magnitude' is not driven by the bits slider"),
        ({"bits": 4, "methods": {"bits": "quantize.magic"}}, "There is no method 'quantize.magic'"),
    ],
)
def test_bad_sliders_get_one_sentence(choices: dict, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(RecipeError) as caught:
        Recipe.sliders(**choices)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


GOOD = json.loads(Recipe.sliders(sparsity=0.5, bits=4).to_json())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 2}, "version 2"),
        ({"steps": {}}, "'steps' must be a list"),
        ({"steps": [3]}, "The step 1 must be a JSON object"),
        ({"steps": [{}]}, "The step 1 lacks the field 'method'"),
        ({"steps": [{"method": "prune.magnitude", "speed": 1}]}, "unknown field 'speed'"),
        ({"steps": [{"method": "prune.magnitude", "settings": {"q": 1}}]}, "prune.magnitude has no setting 'q'"),
        ({"steps": [{"method": "prune.magnitude", "layers": "fc1"}]}, "'layers' must be null or a list"),
        (
            {"steps": [{"method": "prune.magnitude", "overrides": {"a": {"scope": "x"}}}]},
            "Layer 'a': prune.magnitude: scope",
        ),
        ({"encodings": {"fc1": "zip"}}, "Layer 'fc1': there is no encoding 'zip'"),
        ({"extra": 1}, "unknown field 'extra'"),
    ],
)
def test_bad_json_names_the_field(change: dict, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(RecipeError) as caught:
        Recipe.from_json(json.dumps({**GOOD, **change}))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000])
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_json(text)


def test_a_recipe_for_another_model_names_the_layer() -> None:
    model = Model.from_module(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.zeros(1, 3))
    Recipe.sliders(overrides={"0": {"sparsity": 0.5}}).check(model)
    for name, reason in (("fc9", "no layer 'fc9'"), ("1", "Layer '1' of Sequential has no weights")):
        with pytest.raises(RecipeError, match="does not fit this network") as caught:
            Recipe.sliders(overrides={name: {"sparsity": 0.5}}).check(model)
        assert reason in str(caught.value)


def test_the_order_in_which_layers_were_overridden_does_not_tell() -> None:
    own = {"fc1": {"sparsity": 0.5}, "conv1": {"sparsity": 0.2, "bits": 3}}
    one, other = (Recipe.sliders(overrides=dict(order)) for order in (own.items(), reversed(own.items())))  # type: ignore[arg-type]
    assert one.digest == other.digest


@pytest.mark.parametrize("number", [np.int64(4), np.uint8(4), np.float32(4), np.float64(4), 4.0])
def test_a_number_of_numpy_is_a_setting_as_any_other(number: Any) -> None:
    recipe = Recipe((Step(Uniform(bits=number)),))
    assert recipe.to_json() == Recipe((Step(Uniform(bits=4)),)).to_json()
    assert Recipe.sliders(bits=number).digest == Recipe.sliders(bits=4).digest


@pytest.mark.parametrize("number", [np.bool_(True), np.array(4), torch.tensor(4), "4", None, True])
def test_what_is_no_number_is_told(number: Any) -> None:
    with pytest.raises(RecipeError, match="bits must be a number from 1 to 8"):
        Uniform(bits=number)


@pytest.mark.parametrize("overrides", [{"0": None}, {"0": 3}, [1], "0"])
def test_overrides_that_are_no_settings_are_told(overrides: Any) -> None:
    with pytest.raises(RecipeError, match="must map layer names to slider values"):
        Recipe.sliders(bits=8, overrides=overrides)
    if not isinstance(overrides, dict):
        with pytest.raises(RecipeError, match="must map layer names to settings"):
            Step(Uniform(), None, overrides)


@pytest.mark.parametrize("text", ['{"version":' + "1" * 5000 + "}", b"\xff\xfe", None, 3, ""])
def test_text_that_is_no_json_is_told(text: Any) -> None:
    with pytest.raises(RecipeError, match="The recipe is not valid JSON"):
        Recipe.from_json(text)


def test_a_sentence_stays_short_whatever_it_is_about() -> None:
    with pytest.raises(RecipeError) as found:
        Uniform(bits=10**4000)
    assert len(str(found.value)) < 200
