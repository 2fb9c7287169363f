"""Recipes in words, what is spoken, and the glossary."""

import pytest

import workbench
from widgets.views.glossary import explained, glossary
from widgets.views.numbers import NBSP
from widgets.views.recipe import describe
from widgets.views.spoken import spoken


@pytest.mark.parametrize(
    ("sliders", "words"),
    [
        ({}, "no compression"),
        ({"sparsity": 0.9}, f"sparsity 90{NBSP}%"),
        ({"bits": 1}, "1 bit"),
        ({"sparsity": 0.29, "bits": 4, "rank": 0.25}, f"rank 25{NBSP}%, sparsity 29{NBSP}%, 4 bits"),
        ({"overrides": {"fc1": {"bits": 3}}}, "bits in some layers only, 1 layer set apart"),
        ({"bits": 4, "overrides": {"fc1": {"bits": 3}, "fc2": {"bits": 32}}}, "4 bits, 2 layers set apart"),
    ],
)
def test_a_recipe_in_words(sliders, words):
    assert describe(workbench.Recipe.sliders(**sliders).to_object()) == words


def test_what_is_spoken_names_every_figure(squeezed):
    sentence = spoken(squeezed)
    for word in ("sparsity 50", "4 bits", "accuracy", "size", "operations", "energy", "smaller"):
        assert word in sentence


def test_every_badge_and_kind_of_a_report_is_explained(squeezed):
    figures = (squeezed.original, squeezed.compressed)
    badges = {one.badge for figure in figures for one in (figure.accuracy, figure.size, figure.energy)}
    assert badges | {squeezed.kind} <= set(explained())
    assert {term for group in glossary() for term, _ in group["terms"]} == set(explained())
