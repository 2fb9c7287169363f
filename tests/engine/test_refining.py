"""Reports of several recipes in short pieces are those that `assess` gives."""

import pytest

import workbench
from workbench.engine.refining import exact_reports
from workbench.method import METHODS
from workbench.recipe import Recipe, Step

IMAGES = 2_000
DEVICE = "horowitz-45nm"


@pytest.fixture(scope="module")
def lenet():
    return workbench.load("lenet-300-100/mnist")


def test_each_report_is_the_one_of_assess_and_comes_in_pieces(lenet):
    recipes = [Recipe.sliders(sparsity=0.6), Recipe.sliders(bits=3)]
    pieces = list(exact_reports(lenet, recipes, DEVICE, IMAGES, seconds=60))
    reports = [one for one in pieces if one is not None]
    assert reports == [workbench.assess(workbench.compress(lenet, one), DEVICE, IMAGES) for one in recipes]
    assert len(pieces) > 2 * len(recipes)


def test_without_time_there_is_none(lenet):
    assert list(exact_reports(lenet, [Recipe.sliders(bits=3)], DEVICE, IMAGES, seconds=0)) == []


def test_a_recipe_that_cannot_be_applied_is_passed_over(lenet):
    strange = Recipe((Step(METHODS["quantize.uniform"](), ("no such layer",)),))
    reports = [one for one in exact_reports(lenet, [strange, Recipe.sliders(bits=3)], DEVICE, IMAGES, 60) if one]
    assert [one.recipe["digest"] for one in reports] == [Recipe.sliders(bits=3).digest]


def test_compressing_is_left_for_a_move_and_begun_anew(lenet):
    moves = iter(range(1_000))
    found = exact_reports(
        lenet, [Recipe.sliders(sparsity=0.61, bits=5)], DEVICE, IMAGES, 60, newest=lambda: next(moves, -1)
    )
    assert [next(found) for _ in range(3)] == [None] * 3  # a move has come each time
    assert any(one is not None for one in found)
