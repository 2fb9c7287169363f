"""Methods at equal bytes, and whether an order survives the ranges of its figures."""

import itertools

import pytest

import workbench
from workbench.costs.energy import Energy
from workbench.errors import RecipeError
from workbench.search.equal_bytes import at_most
from workbench.search.ranking import ranked


def test_it_is_the_mildest_setting_that_is_small_enough():
    model = workbench.load("lenet-300-100/mnist")
    size = 150_000
    recipe = at_most(model, "prune.magnitude", size)
    (step,) = recipe.steps
    assert workbench.compress(model, recipe).size.value <= size
    milder = workbench.Recipe.sliders(sparsity=round(step.method.sparsity - 0.01, 2))
    assert workbench.compress(model, milder).size.value > size
    bits = at_most(model, "quantize.kmeans", size).steps[0].method.bits
    sizes = {
        width: workbench.compress(
            model, workbench.Recipe.sliders(bits=width, methods={"bits": "quantize.kmeans"})
        ).size.value
        for width in range(1, 9)
    }
    assert bits == max(width for width, found in sizes.items() if found <= size)


def test_what_cannot_be_brought_to_a_size(own):
    assert at_most(own, "quantize.uniform", 10) is None
    with pytest.raises(RecipeError, match="no setting that a slider drives"):
        at_most(own, "prune.n-m", 10_000)


def test_two_ranges_that_overlap_leave_the_order_open():
    figures = {
        "a": Energy.figure(2.0, low=1.0, high=3.0),
        "b": Energy.figure(4.0, low=2.5, high=6.0),
        "c": Energy.figure(9.0, low=8.0, high=9.5),
        "d": Energy.figure(9.6),
    }
    pairs = {(pair.less, pair.more): pair.certain for pair in ranked(figures)}
    assert pairs == {pair: pair != ("a", "b") for pair in itertools.combinations("abcd", 2)}
