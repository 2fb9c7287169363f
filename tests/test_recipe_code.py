"""The Python of a recipe makes that recipe."""

from typing import Any

import pytest
from hypothesis import given, settings

from tests.widgets.random_positions import positions
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.recipe import Recipe, Step
from workbench.recipe_code import recipe_code


def run(code: str) -> Recipe:
    made: dict[str, Any] = {}
    exec(code, made)
    found: Recipe = made["recipe"]
    return found


@settings(deadline=None, max_examples=150)
@given(positions())
def test_it_makes_the_same_recipe(position: Any) -> None:
    recipe = position.recipe()
    assert run(recipe_code(recipe)) == recipe


@pytest.mark.parametrize(
    ("recipe", "last"),
    [
        (Recipe(), "recipe = workbench.Recipe.sliders()"),
        (Recipe.sliders(sparsity=0.9, bits=4), "recipe = workbench.Recipe.sliders(sparsity=0.9, bits=4)"),
        (
            Recipe.sliders(bits=4, methods={"bits": "quantize.kmeans"}),
            'recipe = workbench.Recipe.sliders(bits=4, methods={"bits": "quantize.kmeans"})',
        ),
        (
            Recipe.sliders(bits=4, overrides={"fc1": {"bits": 32}}),
            'recipe = workbench.Recipe.sliders(bits=4, overrides={"fc1": {"bits": 32}})',
        ),
    ],
)
def test_the_sliders_are_named_where_they_give_it(recipe: Recipe, last: str) -> None:
    assert recipe_code(recipe).splitlines()[-1] == last


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe((Step(Uniform(bits=4), ("fc1", "fc2")), Step(Uniform(bits=3), ()))),
        Recipe((Step(Magnitude(sparsity=0.1), None, {'a"b\n\\': {"scope": "layer"}, "c": None, "d": {}}),)),
        Recipe((), {"fc1": "dense", "\u202e": "dense"}),
        Recipe((Step(Magnitude(sparsity=1 / 3)), Step(Magnitude(sparsity=2 / 3)))),
    ],
)
def test_what_no_slider_gives_is_made_step_by_step(recipe: Recipe) -> None:
    assert run(recipe_code(recipe)).to_json() == recipe.to_json()
