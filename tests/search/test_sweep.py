"""Sweeps: every row is what `assess` says of that recipe, and what chooses looks at no test image."""

import sys

import numpy as np
import pytest

import workbench
from workbench.data.split import Split
from workbench.errors import DataError, RecipeError, WorkbenchError
from workbench.search.sweep import grid, sweep

IMAGES = 300


@pytest.fixture(scope="module")
def model() -> workbench.Model:
    return workbench.load("lenet-300-100/mnist")


def test_a_row_is_what_assess_says(model):
    cases = grid(sparsity=(0.0, 0.8), bits=(32, 4))
    shares = []
    found = sweep(model, cases, images=IMAGES, progress=shares.append)
    assert found.complete and [trial.case for trial in found.trials] == cases
    assert shares == sorted(shares) and shares[-1] == 1.0
    for trial in found.trials:
        expected = workbench.assess(workbench.compress(model, trial.case.recipe), images=IMAGES)
        assert trial.report.compressed.accuracy == expected.compressed.accuracy
        assert trial.report.compressed.costs == expected.compressed.costs


def test_the_table_has_a_column_for_every_choice_and_figure(model):
    frame = sweep(model, grid(sparsity=(0.5,), bits=(8, 4)), images=IMAGES).to_frame()
    assert frame["bits"].tolist() == [8, 4] and frame["sparsity"].tolist() == [0.5, 0.5]
    assert frame["size"].is_monotonic_decreasing and (frame["split"] == "test").all()
    assert (frame["energy_low"] <= frame["energy"]).all() and (frame["energy"] <= frame["energy_high"]).all()
    assert (frame["accuracy_low"] <= frame["accuracy"]).all() and (frame["images"] == IMAGES).all()


def test_recipes_by_name(model):
    named = {"mild": workbench.Recipe.sliders(bits=8), "none": workbench.Recipe()}
    assert sweep(model, named, images=IMAGES).to_frame()["recipe"].tolist() == ["mild", "none"]


def test_on_validation_images_no_test_image_is_read(model, monkeypatch):
    read = []
    inputs = Split.inputs
    monkeypatch.setattr(Split, "inputs", lambda split, *which: read.append(split.name) or inputs(split, *which))
    recipe = workbench.Recipe.sliders(sparsity=0.37)
    (trial,) = sweep(model, {"one": recipe}, images=IMAGES, split="validation").trials
    assert set(read) == {"validation"}
    assert trial.report.data["split"] == "validation"
    assert trial.report.data["digest"] == model.data.split("validation").digest


def test_validation_accuracy_is_the_plain_count_over_validation_images(model):
    recipe = workbench.Recipe.sliders(sparsity=0.9)
    (trial,) = sweep(model, {"one": recipe}, split="validation").trials
    split = model.data.split("validation")
    answers = workbench.compress(model, recipe).to_torch()(split.inputs()).argmax(1).numpy()
    assert trial.report.compressed.accuracy.value == pytest.approx(np.mean(answers == split.labels), abs=1e-3)
    assert trial.report.compressed.accuracy.images == len(split)


def test_what_was_measured_before_an_end_is_kept(model):
    cases = grid(bits=(8, 7, 6))
    found = sweep(model, cases, images=IMAGES, cancelled=lambda: True)
    assert not found.complete and len(found.trials) < 3

    def interrupted(share):
        if share >= 1 / 3:
            raise KeyboardInterrupt

    found = sweep(model, cases, images=IMAGES, progress=interrupted)
    assert not found.complete and len(found.trials) == 1


def test_what_cannot_be_is_said_before_anything_is_run(model, own):
    with pytest.raises(RecipeError):
        sweep(model, {"one": workbench.Recipe.sliders(overrides={"nowhere": {"bits": 4}})})
    with pytest.raises(DataError, match="came without images"):
        sweep(own, grid(bits=(8,)), split="validation")


def test_without_images_the_costs_are_there(own):
    row = sweep(own, grid(bits=(8,))).to_frame().iloc[0]
    assert row["size"] > 0 and "accuracy" not in row


def test_a_table_without_pandas_is_one_sentence(model, monkeypatch):
    found = sweep(model, grid(bits=(8,)), images=IMAGES)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(WorkbenchError, match="needs pandas"):
        found.to_frame()
