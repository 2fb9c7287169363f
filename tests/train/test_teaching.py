"""Distillation as a part of training: the loss beside its formula, and who teaches what a method trains."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.errors import DataError
from workbench.method import Teaching
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.prune.retrained_magnitude import RetrainedMagnitude
from workbench.methods.prune.structured_sparsity import StructuredSparsity
from workbench.models import zoo
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.tasks.classification import Classification
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy
from workbench.train.teaching import joint_loss

RNG = np.random.default_rng(0)


def probabilities(module: nn.Module, images: torch.Tensor, temperature: float) -> torch.Tensor:
    with torch.no_grad():
        return F.softmax(module(images) / temperature, 1)


def test_labels_and_teacher_share_the_loss_at_every_exit():
    """(1 − α) · CE + α · T² · Σ p_t log(p_t / p_s), summed over both exits of B-LeNet."""
    student, teacher = zoo.build("branchy-lenet", 0).train(), zoo.build("branchy-lenet", 1)
    images, labels = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
    found = joint_loss(student, images, labels, Classification, teaching=Teaching(teacher, 0.7, 2.0))
    known = probabilities(teacher, images, 2.0)
    expected = 0.0
    for path in ("exit", None):
        main = student(images)
        early = next(one.early for one in student.modules() if getattr(one, "early", None) is not None)
        answer = early if path else main
        soft = F.softmax(answer / 2.0, 1)
        expected += 0.3 * F.cross_entropy(answer, labels) + 0.7 * 4 * (known * (known / soft).log()).sum(1).mean()
    torch.testing.assert_close(found, expected)


def spirals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of three clouds, and which."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    centres = np.array([[2, 0, 0, 1], [0, 2, 0, -1], [0, 0, 2, 0]])
    return (centres[labels] + random.normal(0, 0.5, (count, 4))).astype(np.float32), labels


@pytest.fixture(scope="module")
def model() -> Model:
    """A trained network whose training images carry shuffled labels from now on."""
    splits = {"train": spirals(600, 1), "validation": spirals(200, 2), "test": spirals(400, 3)}
    data = Dataset.from_arrays("clouds", **splits)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 3))
    TrainingCourse(data, lambda found: None).fit(module.eval(), epochs=60, learning_rate=1e-2, seed=0)
    images, labels = splits["train"]
    shuffled = Dataset.from_arrays("shuffled", **{**splits, "train": (images, RNG.permutation(labels))})
    return Model.from_module(module, torch.zeros(1, 4), shuffled, "clouds")


def test_the_original_teaches_whatever_a_method_trains(model, tmp_path):
    """Where the labels say nothing, only a network that is taught by the original keeps to the truth.

    It teaches as it came, though a step before has taken half of its weights. The last epoch is what is kept here.
    """
    divergence, images = {}, model.data.split("test").inputs()
    for alpha in (0.0, 1.0):
        method = StructuredSparsity(strength=0.0, epochs=20, tuning=0, alpha=alpha, temperature=2.0)
        recipe = Recipe((Step(Magnitude(sparsity=0.5)), Step(method)))
        found = train(model, recipe, Store(tmp_path))
        known, learned = (probabilities(one, images, 1.0) for one in (model.module, found.to_torch()))
        divergence[alpha] = float((known * (known / learned).log()).sum(1).mean())
    assert divergence[1.0] < 0.05 < 0.5 < divergence[0.0]


def test_without_alpha_nothing_changes_and_what_cannot_be_taught_says_so(model, tmp_path):
    module, again = (copy.deepcopy(model.module) for _ in range(2))
    course = TrainingCourse(model.data, lambda found: None, teaching=Teaching(model.module, 0.0, 4.0))
    course.fit(module, epochs=1, learning_rate=1e-2, seed=0)
    TrainingCourse(model.data, lambda found: None).fit(again, epochs=1, learning_rate=1e-2, seed=0)
    assert torch.equal(module[0].weight, again[0].weight)
    assert accuracy(model.module, model.data.split("test")) > 0.9

    sizes = {name: (RNG.random((40, 4), np.float32), RNG.random((40, 1))) for name in ("train", "validation", "test")}
    data = Dataset.from_arrays("sizes", **sizes, task="regression")
    sized = Model.from_module(nn.Sequential(nn.Linear(4, 1)), torch.zeros(1, 4), data)
    with pytest.raises(DataError, match="Regression has no probabilities .* set alpha to 0"):
        train(sized, Recipe((Step(RetrainedMagnitude(alpha=0.5)),)), Store(tmp_path))
