"""The judge counts what the module itself answers to validation images, and a layer left as it came changes nothing."""

import numpy as np
import pytest
import torch
from zoo import loaded

from workbench import Recipe, compress
from workbench.data.split import Split
from workbench.errors import DataError, RecipeError
from workbench.method import METHODS
from workbench.search.judge import Judge
from workbench.search.sensitivity import layers_for, sensitivity

IMAGES = 500
RECIPES = (Recipe(), Recipe.sliders(0.9, 3), Recipe.sliders(overrides={"fc1": {"sparsity": 0.97, "bits": 2}}))


def to_its_end(pieces):
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def model():
    return loaded("lenet-300-100/mnist")


@pytest.fixture(scope="module")
def judge(model):
    return Judge(model, IMAGES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.digest[:6])
def test_scores_are_the_modules_own_answers_to_validation_images(model, judge, recipe):
    compressed = compress(model, recipe)
    validation, images = model.data.split("validation"), judge._selection.order
    with torch.no_grad():
        answers = compressed.to_torch()(validation.inputs(images)).argmax(1).numpy()
    naive = answers == validation.labels[images]
    assert np.count_nonzero(to_its_end(judge.scores(compressed)) != naive) <= 1  # sums round in another order


def test_some_images_score_as_among_all(model, judge):
    compressed, which = compress(model, RECIPES[1]), np.arange(3, IMAGES, 7)
    scores = to_its_end(judge.scores(compressed))
    assert np.array_equal(to_its_end(judge.scores_of(compressed, which)), scores[which])


def test_a_change_is_the_mean_paired_difference(model, judge):
    before, after = (to_its_end(judge.scores(compress(model, recipe))) for recipe in RECIPES[:2])
    change = judge.change(after, before)
    assert change.value == pytest.approx(after.mean() - before.mean()) and change.low < change.value < change.high
    same = judge.change(before, before)
    assert (same.low, same.value, same.high, same.clear) == (0.0, 0.0, 0.0, False)


def test_a_layer_that_is_left_as_it_came_changes_nothing(model):
    found = [piece.found for piece in sensitivity(model, "sparsity", stops=(0.0,), images=IMAGES) if piece.found]
    assert [(one.change.low, one.change.value, one.change.high) for one in found] == [(0.0, 0.0, 0.0)] * 3


def test_all_layers_are_measured_at_one_value_before_the_next(model):
    pieces = list(sensitivity(model, "bits", images=200))
    found = [piece.found for piece in pieces if piece.found]
    names = layers_for(model, METHODS["quantize.uniform"]())
    assert [one.value for one in found] == [3] * 3 + [2] * 3 + [4] * 3 + [5] * 3
    assert {one.layer for one in found[:3]} == set(names)
    assert [piece.share for piece in pieces] == sorted(piece.share for piece in pieces) and pieces[-1].share == 1.0


def test_no_test_image_is_read(model, monkeypatch):
    split = model.data.split
    read = []
    monkeypatch.setattr(type(model.data), "split", lambda data, name: read.append(name) or split(name))
    inputs = Split.inputs
    monkeypatch.setattr(Split, "inputs", lambda split, *which: read.append(split.name) or inputs(split, *which))
    assert any(piece.found for piece in sensitivity(model, "sparsity", stops=(0.61,), images=200))
    assert read and set(read) == {"validation"}


def test_what_cannot_be_measured_is_said(own):
    with pytest.raises(DataError, match="no validation images"):
        Judge(own)
    with pytest.raises(RecipeError, match="not driven by the rank slider"):
        next(sensitivity(loaded("lenet-300-100/mnist"), "rank", "prune.magnitude"))
