"""Where the controls stand: hostile messages are refused, and positions and recipes translate both ways."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from widgets.controls.position import Position
from widgets.controls.sliders import AXES, methods, options, sliders
from workbench.errors import RecipeError
from workbench.method import METHODS
from workbench.recipe import Recipe, Step

MODELS, DEVICES = ["lenet-5/mnist", "lenet-300-100/mnist"], ["horowitz-45nm"]


def stop(axis):
    slider = sliders()[axis]
    return st.integers(slider.low, slider.high)


@st.composite
def positions(draw) -> Position:
    chosen = {axis: draw(st.sampled_from(list(methods(axis)))) for axis in AXES}
    given_options = {
        axis: {
            name: draw(st.sampled_from(option.choices) if option.choices else st.integers(option.low, option.high))
            for name, option in options(methods(axis)[chosen[axis]]).items()
            if draw(st.booleans())
        }
        for axis in AXES
    }
    own = st.fixed_dictionaries({}, optional={axis: stop(axis) for axis in AXES})
    content = {
        "model": draw(st.sampled_from(MODELS)),
        "device": DEVICES[0],
        "stops": {axis: draw(stop(axis)) for axis in AXES},
        "methods": chosen,
        "options": given_options,
        "overrides": draw(st.dictionaries(st.sampled_from(["fc1", "fc2", "conv1"]), own, max_size=2)),
    }
    return Position.read(content, MODELS, DEVICES)


@given(positions())
def test_a_position_read_again_is_the_same(position):
    assert Position.read(position.to_dict(), MODELS, DEVICES) == position


@given(positions())
def test_a_recipe_set_in_python_finds_the_position_that_gives_it(position):
    recipe = position.recipe()
    found = Position.of_recipe(recipe, position.model, position.device)
    assert found is not None
    assert found.recipe().digest == recipe.digest


@given(positions(), st.data())
def test_a_slider_that_is_put_elsewhere_is_the_one_that_was_moved(position, data):
    axis = data.draw(st.sampled_from(AXES))
    place = axis, data.draw(st.sampled_from([None, "fc1", "fc2"]))
    there = data.draw(stop(axis))
    moved = position.at(place, there)
    assert moved.stop(place) == there
    assert Position.read(json.loads(moved.key), MODELS, DEVICES) == moved
    same = moved.key == position.key
    assert moved.moved(position) == (None if same else place)
    assert position.moved(moved) == (None if same else place)


@pytest.mark.parametrize(("sparsity", "bits", "rank"), [(29, 4, 58), (0, 9, 100), (90, 1, 7)])
def test_a_position_gives_the_recipe_of_the_command_line(sparsity, bits, rank):
    position = Position("lenet-5/mnist", DEVICES[0], {"sparsity": sparsity, "bits": bits, "rank": rank})
    typed = Recipe.sliders(float(f"0.{sparsity:02d}"), 32 if bits == 9 else bits, 1.0 if rank == 100 else rank / 100)
    assert position.recipe().digest == typed.digest


def test_a_recipe_that_no_position_gives_is_known_as_such():
    prune, quantise = METHODS["prune.magnitude"], METHODS["quantize.uniform"]
    backwards = Recipe((Step(quantise(bits=4)), Step(prune(sparsity=0.5))))
    between = Recipe((Step(prune(sparsity=0.123)),))
    for recipe in (backwards, between, Recipe(encodings={"fc1": "dense"})):
        assert Position.of_recipe(recipe, MODELS[0], DEVICES[0]) is None


def changed(path, value):
    content = copy.deepcopy(Position(MODELS[0], DEVICES[0]).to_dict())
    target = content
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (None, "A move must hold"),
        ([], "A move must hold"),
        ({}, "A move must hold"),
        (changed(["extra"], 1), "A move must hold"),
        (changed(["model"], "../../etc/passwd"), "the model"),
        (changed(["model"], ["lenet-5/mnist"]), "the model"),
        (changed(["device"], None), "the device"),
        (changed(["stops"], {"sparsity": 1}), "stops"),
        (changed(["stops", "sparsity"], 101), "sparsity slider"),
        (changed(["stops", "bits"], 0), "bits slider"),
        (changed(["stops", "rank"], 0), "rank slider"),
        (changed(["stops", "rank"], float("inf")), "rank slider"),
        (changed(["methods", "bits"], "prune.magnitude"), "bits method"),
        (changed(["methods", "bits"], {"a": 1}), "bits method"),
        (changed(["options", "bits"], []), "options"),
        (changed(["options", "bits"], {"bits": 4}), "has no option"),
        (changed(["options", "bits"], {"per": "universe"}), "per cannot be"),
        (changed(["options", "bits"], {"per": ["tensor"]}), "per must be"),
        (changed(["options", "bits"], {"per": 3}), "per must be"),
        (changed(["overrides"], "fc1"), "overrides"),
        (changed(["overrides"], {str(n): {} for n in range(5000)}), "overrides"),
        (changed(["overrides"], {"fc1": {"colour": 1}}), "fc1"),
        (changed(["overrides"], {"fc1": {"bits": 99}}), "fc1"),
    ],
)
def test_what_no_page_can_mean_is_refused_by_name(content, names):
    with pytest.raises(RecipeError, match=names) as refused:
        Position.read(content, MODELS, DEVICES)
    assert len(str(refused.value)) < 400


def test_empty_overrides_are_dropped():
    assert Position.read(changed(["overrides"], {"fc1": {}}), MODELS, DEVICES).overrides == {}


def test_options_at_their_default_are_no_choice():
    content = changed(["options", "sparsity"], {"scope": "global"})
    assert Position.read(content, MODELS, DEVICES) == Position(MODELS[0], DEVICES[0])
    assert Position(MODELS[0], DEVICES[0]).recipe() == workbench.Recipe()
