"""Where the controls stand: hostile messages are refused, and positions and recipes translate both ways."""

import copy
import dataclasses
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from widgets.controls.position import Position
from widgets.controls.sliders import methods, options, sliders
from widgets.controls.steps import MOST_ADDED, Added
from workbench.errors import RecipeError
from workbench.method import AXES, METHODS
from workbench.recipe import Recipe, Step

MODELS, DEVICES = ["lenet-5/mnist", "lenet-300-100/mnist"], ["horowitz-45nm"]


ACTIVATIONS = {"method": "quantize.activations", "settings": {}, "on": True}


def stop(axis):
    slider = sliders()[axis]
    return st.integers(slider.low, slider.high)


def choices(known):
    """Some of the settings `known`, each with a value that it may have."""
    values = {
        name: st.sampled_from(one.choices)
        if one.choices
        else st.integers(one.low, one.high)
        if isinstance(one.step, int)
        else st.floats(one.low, one.high)
        for name, one in known.items()
    }
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def added(draw) -> dict:
    method = draw(st.sampled_from(list(METHODS)))
    return {"method": method, "settings": draw(choices(METHODS[method].settings())), "on": draw(st.booleans())}


@st.composite
def positions(draw) -> Position:
    chosen = {axis: draw(st.sampled_from(list(methods(axis)))) for axis in AXES}
    given_options = {axis: draw(choices(options(methods(axis)[chosen[axis]]))) for axis in AXES}
    steps = draw(st.permutations([*AXES, *draw(st.lists(added(), max_size=4))]))
    own = st.fixed_dictionaries({}, optional={axis: stop(axis) for axis in AXES})
    content = {
        "model": draw(st.sampled_from(MODELS)),
        "device": DEVICES[0],
        "stops": {axis: draw(stop(axis)) for axis in AXES},
        "methods": chosen,
        "options": given_options,
        "overrides": draw(st.dictionaries(st.sampled_from(["fc1", "fc2", "conv1"]), own, max_size=2)),
        "steps": steps,
    }
    return Position.read(content, MODELS, DEVICES)


@given(positions())
def test_a_position_read_again_is_the_same(position):
    assert Position.read(position.to_dict(), MODELS, DEVICES) == position


@given(positions())
def test_the_recipe_has_the_steps_in_their_order_without_those_that_are_off(position):
    alone = {axis: dataclasses.replace(position, steps=(axis,)).recipe().steps for axis in AXES}
    taken = [
        (alone[entry] if isinstance(entry, str) else (Step(entry.method),) if entry.on else ())
        for entry in position.steps
    ]
    assert position.recipe().steps == tuple(itertools.chain(*taken))
    sliders_alone = dataclasses.replace(position, steps=tuple(AXES)).recipe()
    assert sliders_alone.steps == tuple(itertools.chain(*(alone[axis] for axis in AXES)))


@given(positions())
def test_a_recipe_set_in_python_finds_the_one_position_that_gives_it(position):
    recipe = position.recipe()
    found = Position.of_recipe(recipe, position.model, position.device)
    assert found is not None
    assert found.recipe().digest == recipe.digest
    assert Position.read(found.to_dict(), MODELS, DEVICES) == found
    # it is the canonical one: whatever gives the same recipe is found as this position
    assert Position.of_recipe(found.recipe(), position.model, position.device) == found
    assert all(not isinstance(entry, Added) or entry.on for entry in found.steps)


@given(st.fixed_dictionaries({axis: stop(axis) for axis in AXES}), st.lists(added(), max_size=3))
def test_what_was_added_after_the_sliders_is_found_there_wherever_they_stand(stops, more):
    """No slider drives these methods, so it is plain which steps were added; sliders that are off have their place."""
    more = [{**one, "on": True} for one in more if METHODS[one["method"]].axis() is None]
    content = {**Position(MODELS[0], DEVICES[0], stops).to_dict(), "steps": [*AXES, *more]}
    position = Position.read(content, MODELS, DEVICES)
    assert Position.of_recipe(position.recipe(), MODELS[0], DEVICES[0]) == position


@given(positions(), st.data())
def test_a_slider_that_is_put_elsewhere_is_the_one_that_was_moved(position, data):
    axis = data.draw(st.sampled_from(list(AXES)))
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
    prune, activations = METHODS["prune.magnitude"](sparsity=0.5), METHODS["quantize.activations"]()
    for recipe in (
        Recipe(encodings={"fc1": "dense"}),
        Recipe((Step(activations, ("fc1",)),)),
        Recipe((Step(activations, None, {"fc1": {"bits": 3}}),)),
        Recipe((Step(prune, None, {"fc1": {"scope": "layer"}}),)),
        Recipe((Step(prune, None, {"fc1": {"sparsity": 0.1}}), Step(prune, None, {"fc2": {"sparsity": 0.1}}))),
        Recipe((Step(activations),) * (MOST_ADDED + 1)),
    ):
        assert Position.of_recipe(recipe, MODELS[0], DEVICES[0]) is None


def test_sliders_stand_for_the_steps_that_they_can_give_in_any_order_and_the_others_were_added():
    prune, quantise = METHODS["prune.magnitude"], METHODS["quantize.uniform"]
    backwards = Recipe((Step(quantise(bits=4)), Step(prune(sparsity=0.5))))
    between = Recipe((Step(prune(sparsity=0.123)), Step(prune(sparsity=0.3)), Step(prune(sparsity=0.4))))
    nothing = Recipe((Step(METHODS["factorize.svd"](rank=0.0)), *Recipe.sliders(rank=0.01).steps))
    apart = Recipe((Step(prune(sparsity=0.3)), Step(prune(sparsity=0.4), None, {"fc1": {"sparsity": 0.2}})))
    found = [Position.of_recipe(recipe, MODELS[0], DEVICES[0]) for recipe in (backwards, between, apart, nothing)]
    assert [one.steps for one in found] == [
        ("rank", "bits", "sparsity"),
        ("rank", Added(prune(sparsity=0.123)), "sparsity", "bits", Added(prune(sparsity=0.4))),
        ("rank", Added(prune(sparsity=0.3)), "sparsity", "bits"),
        (Added(METHODS["factorize.svd"](rank=0.0)), "rank", "sparsity", "bits"),
    ]
    assert [one.stops["sparsity"] for one in found] == [50, 30, 40, 0]
    assert found[2].overrides == {"fc1": {"sparsity": 20}}


def steps(*more):
    return [*AXES, *more]


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
        (changed(["options", "bits"], []), "settings of quantize.uniform"),
        (changed(["options", "bits"], {"bits": 4}), "no setting 'bits'"),
        (changed(["options", "bits"], {"per": "universe"}), "per cannot be"),
        (changed(["options", "bits"], {"per": ["tensor"]}), "per must be"),
        (changed(["options", "bits"], {"per": 3}), "per must be"),
        (changed(["options", "bits"], {"per": 10**4000}), "per must be"),
        (changed(["steps"], None), "steps"),
        (changed(["steps"], {}), "steps"),
        (changed(["steps"], []), "exactly once"),
        (changed(["steps"], ["rank", "bits"]), "exactly once"),
        (changed(["steps"], steps("bits")), "exactly once"),
        (changed(["steps"], steps("speed")), "exactly once"),
        (changed(["steps"], steps(7)), "name of a slider"),
        (changed(["steps"], steps(["bits"])), "name of a slider"),
        (changed(["steps"], steps({"method": "quantize.activations"})), "name of a slider"),
        (changed(["steps"], steps({**ACTIVATIONS, "layers": ["fc1"]})), "name of a slider"),
        (changed(["steps"], steps({**ACTIVATIONS, "method": "../../etc"})), "no method '../../etc'"),
        (changed(["steps"], steps({**ACTIVATIONS, "method": ["x"]})), "no method"),
        (changed(["steps"], steps({**ACTIVATIONS, "on": 1})), "quantize.activations: 'on'"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": []})), "settings of quantize.activations"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"colour": 1}})), "no setting 'colour'"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"bits": 9}})), "bits must be a number from 1 to 8"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"bits": 2.5}})), "bits must be a whole number"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"bits": float("nan")}})), "bits must be a number"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"bits": 10**4000}})), "bits must be a text or a number"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"bits": True}})), "bits must be a number"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"range": "wide"}})), "range cannot be"),
        (changed(["steps"], steps({**ACTIVATIONS, "settings": {"range": None}})), "range must be"),
        (changed(["steps"], steps(*[ACTIVATIONS] * (MOST_ADDED + 1))), f"{MOST_ADDED} more at most"),
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


def test_the_settings_of_a_step_at_their_default_are_no_choice():
    given = changed(["steps"], steps({**ACTIVATIONS, "settings": {"bits": 8, "range": "min-max"}}))
    read = Position.read(given, MODELS, DEVICES).to_dict()["steps"][-1]["settings"]
    assert read == {"range": "min-max"}


def test_options_at_their_default_are_no_choice():
    content = changed(["options", "sparsity"], {"scope": "global"})
    assert Position.read(content, MODELS, DEVICES) == Position(MODELS[0], DEVICES[0])
    assert Position(MODELS[0], DEVICES[0]).recipe() == workbench.Recipe()
