"""The positions beside the one that a slider was moved to."""

import dataclasses

from workbench.engine.neighbours import neighbours
from workbench.method import METHODS
from workbench.recipe import Recipe, Step


def _sparsities(recipes: tuple[Recipe, ...]) -> list[float]:
    return [step.method.sparsity for one in recipes for step in one.steps if step.method.name == "prune.magnitude"]  # type: ignore[attr-defined]


def test_the_direction_of_the_move_comes_first() -> None:
    up = neighbours(Recipe.sliders(sparsity=0.5, bits=4), Recipe.sliders(sparsity=0.57, bits=4))
    down = neighbours(Recipe.sliders(sparsity=0.6, bits=4), Recipe.sliders(sparsity=0.57, bits=4))
    assert _sparsities(up) == [0.58, 0.59, 0.56, 0.55]
    assert _sparsities(down) == [0.56, 0.55, 0.58, 0.59]


def test_a_neighbour_is_the_recipe_that_its_slider_would_make() -> None:
    """Else what was prepared would not be found again."""
    for percent in range(3, 98):
        now = Recipe.sliders(sparsity=percent / 100, bits=4, rank=0.5)
        found = neighbours(Recipe.sliders(sparsity=0.99, bits=4, rank=0.5), now)
        wanted = {Recipe.sliders(sparsity=(percent + k) / 100, bits=4, rank=0.5).digest for k in (-2, -1, 1, 2)}
        assert {one.digest for one in found} == wanted
        assert found[0].digest == Recipe.sliders(sparsity=(percent - 1) / 100, bits=4, rank=0.5).digest


def test_a_slider_that_was_off_goes_on_upwards_within_its_range() -> None:
    found = neighbours(Recipe(), Recipe.sliders(bits=7))
    assert [one.digest for one in found] == [Recipe.sliders(bits=bits).digest for bits in (8, 6, 5)]
    assert neighbours(Recipe.sliders(sparsity=0.5), Recipe.sliders(sparsity=0.5, bits=8)) == (
        Recipe.sliders(sparsity=0.5, bits=7),
        Recipe.sliders(sparsity=0.5, bits=6),
    )


def test_a_layer_of_its_own_is_moved_alone() -> None:
    before = Recipe.sliders(bits=8, overrides={"fc1": {"bits": 4}, "fc2": {"bits": 3}})
    now = Recipe.sliders(bits=8, overrides={"fc1": {"bits": 5}, "fc2": {"bits": 3}})
    found = neighbours(before, now, reach=1)
    assert [one.digest for one in found] == [
        Recipe.sliders(bits=8, overrides={"fc1": {"bits": bits}, "fc2": {"bits": 3}}).digest for bits in (6, 4)
    ]


def test_of_two_steps_with_one_method_the_one_that_was_moved_goes_on() -> None:
    prune = METHODS["prune.magnitude"]

    def twice(first: float, second: float) -> Recipe:
        return Recipe((Step(prune(sparsity=first)), *Recipe.sliders(bits=4).steps, Step(prune(sparsity=second))))

    assert neighbours(twice(0.2, 0.5), twice(0.3, 0.5), reach=1) == (twice(0.31, 0.5), twice(0.29, 0.5))
    assert neighbours(twice(0.3, 0.4), twice(0.3, 0.5), reach=1) == (twice(0.3, 0.51), twice(0.3, 0.49))


def test_nothing_where_no_single_slider_was_moved() -> None:
    now = Recipe.sliders(sparsity=0.5, bits=4)
    assert neighbours(now, now) == ()
    assert neighbours(Recipe.sliders(sparsity=0.4, bits=5), now) == ()
    assert neighbours(now, Recipe.sliders(sparsity=0.5)) == ()
    method = now.steps[0].method
    other = dataclasses.replace(method, scope="layer")  # type: ignore[call-arg]
    assert neighbours(now, Recipe((Step(other), now.steps[1]))) == ()
