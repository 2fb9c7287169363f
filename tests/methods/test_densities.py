"""Densities of LeNets on MNIST that papers reach with no more errors, asked of magnitude pruning with retraining.

On all published training images that are in no other split, taught by the original beside the labels. The settings were
chosen by validation images; every network answers the test images once. The published figures are of networks that
were trained sparse from the beginning (sparse momentum: Dettmers and Zettlemoyer, arXiv 1907.04840).
"""

import os

import pytest

import workbench
from workbench.data import full
from workbench.engine.training import train
from workbench.methods.prune.retrained_magnitude import RetrainedMagnitude
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.loop import accuracy

TAUGHT = {"alpha": 0.5, "temperature": 2.0}
SPARSER = {
    "lenet-300-100/mnist": (
        RetrainedMagnitude(sparsity=0.95, rounds=8, epochs=2, schedule="cubic", **TAUGHT),
        RetrainedMagnitude(sparsity=0.98, rounds=1, epochs=12, **TAUGHT),
    ),
    "lenet-5/mnist": (
        RetrainedMagnitude(sparsity=0.98, rounds=3, epochs=2, schedule="cubic", **TAUGHT),
        RetrainedMagnitude(sparsity=0.99, rounds=1, epochs=3, **TAUGHT),
    ),
}
PUBLISHED = {
    ("lenet-300-100/mnist", 0.95): 1.53,
    ("lenet-300-100/mnist", 0.98): 1.99,
    ("lenet-5/mnist", 0.98): 0.76,
    ("lenet-5/mnist", 0.99): 0.83,
}  # percent of the test images


@pytest.mark.slow
@pytest.mark.skipif(full.FOLDER_VARIABLE not in os.environ, reason=f"needs {full.FOLDER_VARIABLE}")
@pytest.mark.parametrize("name", SPARSER)
def test_published_densities(name, tmp_path, record_property):
    given = workbench.load(name)
    model = Model.from_module(given.module, given.example, full.load("mnist"), name)
    store, steps = Store(tmp_path), []
    for method in SPARSER[name]:
        steps.append(Step(method))
        trained = train(model, Recipe(tuple(steps)), store)
        left = sum(form.parts[0].nonzeros for form in trained.forms.values())
        weights = sum(form.weights for form in trained.forms.values())
        assert left == weights - round(method.sparsity * weights) and trained.faithful
        error = 100 - 100 * accuracy(trained.to_torch(), model.data.split("test"))
        published = PUBLISHED[name, method.sparsity]
        reached = "reached" if error <= published else "not reached"
        record_property(
            f"{name} at {left / weights:.0%}",
            f"error {error:.2f}% (published {published:.2f}%: {reached})",
        )
        assert error < published + 0.7  # LeNet-5 at 1 % misses by most after nine passes
