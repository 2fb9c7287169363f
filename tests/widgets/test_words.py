"""Recipes in words, what is spoken, and the glossary."""

import pytest
from hypothesis import given, settings

import workbench
from tests.widgets.random_positions import positions
from widgets.views.difference import difference
from widgets.views.glossary import explained, glossary
from widgets.views.numbers import NBSP
from widgets.views.recipe import describe
from widgets.views.spoken import spoken
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform


@pytest.mark.parametrize(
    ("sliders", "words"),
    [
        ({}, "no compression"),
        ({"sparsity": 0.9}, f"sparsity 90{NBSP}%"),
        ({"bits": 1}, "1 bit"),
        ({"sparsity": 0.29, "bits": 4, "rank": 0.25}, f"rank 25{NBSP}%, sparsity 29{NBSP}%, 4 bits"),
        ({"overrides": {"fc1": {"bits": 3}}}, "fc1 3 bits"),
        ({"bits": 4, "overrides": {"fc1": {"bits": 3}, "fc2": {"bits": 32}}}, "4 bits, fc1 3 bits, fc2 32 bits"),
        (
            {"sparsity": 0.7, "rank": 0.5, "overrides": {"fc1": {"sparsity": 0.9, "rank": 1.0}}},
            f"rank 50{NBSP}%, sparsity 70{NBSP}%, fc1 full rank and 90{NBSP}%",
        ),
        ({"bits": 4, "methods": {"bits": "quantize.kmeans"}}, "4 bits (K-means weight sharing)"),
        ({"bits": 4, "methods": {"bits": Uniform(per="tensor")}}, "4 bits (per tensor)"),
        ({"sparsity": 0.9, "methods": {"sparsity": Magnitude(scope="layer")}}, f"sparsity 90{NBSP}% (scope layer)"),
    ],
)
def test_a_recipe_in_words(sliders, words):
    assert describe(workbench.Recipe.sliders(**sliders).to_object()) == words


def test_what_the_words_leave_out_is_told_apart_by_the_digest():
    own = [{f"l{n}": {"sparsity": 0.5}, **{f"m{n}": {"sparsity": 0.1 * n} for n in range(4)}} for n in range(2)]
    one, other = (describe(workbench.Recipe.sliders(sparsity=0.7, overrides=layers).to_object()) for layers in own)
    assert one.startswith(f"sparsity 70{NBSP}%, 5 layers with own values (#") and one != other


@settings(deadline=None, max_examples=150)
@given(positions(), positions())
def test_different_recipes_have_different_names_and_the_change_is_told(one, other):
    """Of random positions, and of those that differ from one of them in one slider."""
    first = one.recipe()
    for second in (
        other.recipe(),
        one.at(("bits", None), other.stops["bits"]).recipe(),
        one.at(("sparsity", "fc1"), other.stops["sparsity"]).recipe(),
    ):
        alike = first == second
        assert (describe(first.to_object()) == describe(second.to_object())) is alike
        said = difference(first.to_object(), second.to_object())
        assert bool(said) is not alike
        assert all(sentence.endswith(".") for sentence in said)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, []),
        ({}, {"bits": 4}, ["4 bits added."]),
        ({"sparsity": 0.7}, {}, [f"Without sparsity 70{NBSP}%."]),
        ({"sparsity": 0.7}, {"sparsity": 0.9}, [f"Sparsity: 90{NBSP}% instead of 70{NBSP}%."]),
        (
            {"bits": 4},
            {"bits": 3, "methods": {"bits": "quantize.kmeans"}},
            ["Bits: 3 bits instead of 4 bits.", "Bits method: K-means weight sharing instead of Uniform quantisation."],
        ),
        (
            {"bits": 4},
            {"bits": 4, "methods": {"bits": Uniform(per="tensor")}},
            ["Bits, per: tensor instead of channel."],
        ),
        (
            {"sparsity": 0.7},
            {"sparsity": 0.7, "overrides": {"fc1": {"sparsity": 0.9}}},
            [f"Sparsity in fc1: 90{NBSP}% instead of as in the other layers."],
        ),
        (
            {"overrides": {"fc1": {"bits": 3}}},
            {"overrides": {"fc1": {"bits": 4}}},
            ["Bits in fc1: 4 bits instead of 3 bits."],
        ),
        (
            {"bits": 4},
            {"overrides": {"fc1": {"bits": 4}}},
            ["Bits: 32 bits instead of 4 bits.", "Bits in fc1: 4 bits instead of as in the other layers."],
        ),
    ],
)
def test_a_change_in_words(before, after, said):
    assert difference(*(workbench.Recipe.sliders(**choices).to_object() for choices in (before, after))) == said


def test_what_is_spoken_names_every_figure(squeezed):
    sentence = spoken(squeezed)
    for word in ("sparsity 50", "4 bits", "accuracy", "size", "operations", "energy", "smaller"):
        assert word in sentence


def test_every_badge_and_kind_of_a_report_is_explained(squeezed):
    figures = (squeezed.original, squeezed.compressed)
    badges = {one.badge for figure in figures for one in (figure.accuracy, figure.size, figure.energy)}
    assert badges | {squeezed.kind} <= set(explained())
    assert {term for group in glossary() for term, _ in group["terms"]} == set(explained())
