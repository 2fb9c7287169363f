"""Yes and no, several labels and numbers: scores by hand and by naive twins, intervals that hold what they say."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.accuracy.examiner import Examiner
from workbench.accuracy.intervals import FEW, mean, paired_mean
from workbench.data.datasets import Dataset
from workbench.errors import DataError
from workbench.tasks import TASKS
from workbench.tasks.regression import Regression
from workbench.train.loop import Settings, fit

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(900, 6)).astype(np.float32)
DIRECTIONS = RANDOM.normal(size=(6, 3)).astype(np.float32)
SUMS = IMAGES @ DIRECTIONS  # [900, 3]


def linear(columns: np.ndarray, *after: nn.Module) -> nn.Sequential:
    """A network of one layer of these weights [6, outputs]."""
    layer = nn.Linear(6, columns.shape[1], bias=False)
    layer.weight.data = torch.from_numpy(np.ascontiguousarray(columns.T))
    return nn.Sequential(layer, *after)


def model(module: nn.Module, truth: np.ndarray, task: str) -> workbench.Model:
    data = Dataset.of((IMAGES, truth), task=task)
    return workbench.Model.from_module(module, torch.zeros(1, 6), data)


def report(module: nn.Module, truth: np.ndarray, task: str, **sliders: float) -> workbench.Report:
    recipe = workbench.Recipe.sliders(**sliders)
    return workbench.assess(workbench.compress(model(module, truth, task), recipe))


NOISY = SUMS + RANDOM.normal(scale=1.0, size=SUMS.shape).astype(np.float32)
YES = NOISY[:, 0] > 0


class Flat(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0]


@pytest.mark.parametrize(
    ("task", "module", "truth"),
    [
        ("binary", linear(DIRECTIONS[:, :1]), YES),
        ("binary", linear(DIRECTIONS[:, :1], Flat()), YES.astype(float)),
        ("binary", linear(np.stack([-DIRECTIONS[:, 0], DIRECTIONS[:, 0]], 1)), YES[:, None].astype(int)),
        ("binary-probability", linear(DIRECTIONS[:, :1], nn.Sigmoid()), YES),
    ],
)
def test_a_yes_or_no_is_one_output_or_two(task: str, module: nn.Module, truth: np.ndarray) -> None:
    accuracy = report(module, truth, task).original.accuracy
    assert accuracy.value == ((SUMS[:, 0] > 0) == YES).mean()
    assert 0.7 < accuracy.value < 1 and accuracy.low < accuracy.value < accuracy.high


@pytest.mark.parametrize("task", ["multi-label", "multi-label-probability"])
def test_of_several_labels_all_must_be_right_and_their_mean_share_stands_beside(task: str) -> None:
    after = [nn.Sigmoid()] if task.endswith("probability") else []
    accuracy = report(linear(DIRECTIONS, *after), NOISY > 0, task).original.accuracy
    agree = (SUMS > 0) == (NOISY > 0)
    assert accuracy.title == "Exact match" and accuracy.value == agree.all(1).mean()
    (labels,) = accuracy.beside
    assert labels.metric.title == "Label accuracy"
    assert labels.value == pytest.approx(1 - (~agree).mean(), abs=1e-12)  # one minus the Hamming loss
    assert accuracy.value < labels.low < labels.value < labels.high


def test_numbers_are_judged_by_the_variance_that_is_explained() -> None:
    """As R² is defined, on each number and then the mean; the mean absolute error stands beside it in its own unit."""
    found = report(linear(DIRECTIONS), NOISY, "regression", sparsity=0.3)
    left, whole = ((NOISY - SUMS) ** 2).sum(0), ((NOISY - NOISY.mean(0)) ** 2).sum(0)
    accuracy = found.original.accuracy
    assert (accuracy.title, accuracy.share) == ("Variance explained", False)
    assert accuracy.value == pytest.approx((1 - left / whole).mean(), abs=1e-6)
    (error,) = accuracy.beside
    assert error.value == pytest.approx(np.abs(NOISY - SUMS).mean(), rel=1e-6)
    assert error.unit == "" and error.metric.less_is_better
    assert error.low < error.value < error.high and accuracy.low < accuracy.value < accuracy.high
    table = found.table()
    assert "variance explained (%)" in table and "mean absolute error " in table and "x more" in table
    content = json.loads(json.dumps(found.to_dict()))["compressed"]["accuracy"]
    assert content["title"] == "Variance explained" and content["mean_absolute_error"]["value"] > error.value


def test_running_estimates_of_numbers_hold_the_exact_figure_and_close() -> None:
    images = RANDOM.normal(size=(4000, 6)).astype(np.float32)
    truth = images @ DIRECTIONS + RANDOM.normal(size=(4000, 3)).astype(np.float32)
    data = Dataset.of((images, truth), task="regression")
    compressed = workbench.compress(
        workbench.Model.from_module(linear(DIRECTIONS), torch.zeros(1, 6), data), workbench.Recipe.sliders(bits=2)
    )
    *running, last = [standing.compressed for standing in Examiner(budget=0).accuracies(compressed)]
    assert last.exact and len(running) >= 5
    for of in (lambda one: one, lambda one: one.beside[0]):
        held = [of(one).low <= of(last).value <= of(one).high for one in running]
        assert sum(held) >= 0.8 * len(held)
        assert of(running[-1]).high - of(running[-1]).low < of(running[0]).high - of(running[0]).low


def test_an_interval_of_what_has_no_bound_waits_for_enough_images() -> None:
    values = RANDOM.normal(size=FEW)
    for found in (mean(values[:-1], -math.inf, 1), paired_mean(values, values[:-1] + 0.1, -math.inf, 9)):
        assert found.ends == (None, None)
    assert None not in mean(values, -math.inf, 9).ends
    few = Dataset.of((IMAGES[: FEW - 1], NOISY[: FEW - 1]), task="regression")
    small = workbench.Model.from_module(linear(DIRECTIONS), torch.zeros(1, 6), few)
    found = workbench.assess(workbench.compress(small, workbench.Recipe()))
    accuracy = found.compressed.accuracy
    assert (accuracy.low, accuracy.high, accuracy.beside[0].low) == (None, None, None)
    assert "  95 % interval " in found.table()


def test_intervals_of_numbers_hold_what_they_promise() -> None:
    """R² of 400 samples of errors with a known mean square, in units of a known variance; within four deviations."""
    errors = RANDOM.normal(size=(400, 300)) ** 2
    held = [found.low <= 0.5 <= found.high for found in (mean(1 - one / 2, -math.inf, 1) for one in errors)]
    assert 0.93 - 4 * 0.013 < np.mean(held) < 0.95 + 4 * 0.011  # squares are skewed: a little less than is said


def test_of_a_number_that_does_not_vary_only_the_number_itself_is_right() -> None:
    truth = np.float32([[2.0], [2.0]])
    assert Regression.scores(np.float32([[2.0], [2.5]]), truth, truth).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "task", ["binary", "binary-probability", "multi-label", "multi-label-probability", "regression"]
)
def test_what_is_asked_can_be_learnt(task: str) -> None:
    torch.manual_seed(0)
    width, truth = (1, SUMS[:, 0] > 0) if task.startswith("binary") else (3, SUMS > 0)
    data = Dataset.of((IMAGES, SUMS if task == "regression" else truth), task=task)
    module = nn.Sequential(nn.Linear(6, width), nn.Sigmoid() if task.endswith("probability") else nn.Identity())
    settings = Settings(epochs=8, batch=50, optimiser="adamw", learning_rate=0.1)
    *_, last = fit(module, data.split("test"), data.split("test"), settings, task=task)
    assert last.accuracy > 0.9


REFUSED = {
    "a sigmoid before logits": (
        "binary",
        linear(DIRECTIONS[:, :1], nn.Sigmoid(), Flat()),
        YES,
        "say task='binary-prob",
    ),
    "sigmoids before logits": (
        "multi-label",
        linear(DIRECTIONS, nn.Sigmoid()),
        NOISY > 0,
        "say task='multi-label-prob",
    ),
    "three outputs for yes or no": (
        "binary",
        linear(DIRECTIONS),
        YES,
        r"a yes or no is one, or two",
    ),
    "yes and no of three kinds": ("binary", linear(DIRECTIONS[:, :1]), np.arange(900) % 3, "zeros and ones"),
    "labels of another number": ("multi-label", linear(DIRECTIONS), NOISY[:, :2] > 0, r"the labels have \(2,\)"),
    "shares as labels": ("multi-label", linear(DIRECTIONS), NOISY, "zeros and ones, .*, and these are float32"),
    "a list of several labels": ("multi-label", linear(DIRECTIONS), YES, r"these are bool of shape \(900,\)"),
    "two numbers of three": ("regression", linear(DIRECTIONS), NOISY[:, :2], "and 2 numbers are to be answered"),
    "pictures as numbers": ("regression", linear(DIRECTIONS), NOISY[:, :, None], r"is of shape \(900, 3, 1\)"),
    "a number that never changes": ("regression", linear(DIRECTIONS), 0 * NOISY, "the same for every image"),
    "numbers that are none": ("regression", linear(DIRECTIONS), NOISY * np.nan, "finite numbers"),
    "boxes of three numbers": (
        "locating",
        linear(DIRECTIONS),
        NOISY,
        r"and these are of shape \(900, 3\)",
    ),
    "an unknown task": ("multilabel", linear(DIRECTIONS), NOISY > 0, "'multilabel', and the tasks are binary"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_the_task_is_one_sentence(kind: str) -> None:
    task, module, truth, sentence = REFUSED[kind]
    with pytest.raises(DataError, match=sentence) as told:
        model(module, truth, task)
    assert "\n" not in str(told.value) and str(told.value).endswith(".")


def test_a_network_of_probabilities_may_end_in_anything_else() -> None:
    assert model(linear(DIRECTIONS[:, :1], nn.Hardsigmoid()), YES, "binary-probability").data.task in TASKS
