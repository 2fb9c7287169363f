"""What tasks call right, by hand and by naive twins, and a task on its way through the workbench."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.accuracy.examiner import Examiner
from workbench.accuracy.intervals import mean, paired_mean
from workbench.accuracy.order import class_balanced_order
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import DataError, ModelError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.tasks import TASKS
from workbench.tasks.locating import Locating


def iou(one, other):
    """Counted on a grid of 100 x 100 points."""
    x, y = np.meshgrid(np.arange(100) / 100 + 0.005, np.arange(100) / 100 + 0.005)
    inside = [(x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]) for box in (one, other)]
    union = (inside[0] | inside[1]).sum()
    return (inside[0] & inside[1]).sum() / union if union else 0.0


def test_overlap_is_that_of_a_naive_twin():
    random = np.random.default_rng(0)
    ends = np.sort(random.integers(0, 101, (2, 200, 2, 2)), axis=3) / 100  # set, image, axis, end
    one, other = (side.transpose(0, 2, 1).reshape(-1, 4).astype(np.float32) for side in ends)
    assert Locating.grades(one, other) == pytest.approx([iou(*pair) for pair in zip(one, other, strict=True)], abs=1e-6)
    assert (Locating.grades(one, one) == 1.0).all() or (one[:, :2] == one[:, 2:]).any()


def test_overlaps_by_hand():
    box = np.float32([[0, 0, 0.5, 0.5]])
    for other, overlap in (
        ([0, 0, 0.5, 0.5], 1), ([0.25, 0, 0.75, 0.5], 1 / 3), ([0, 0, 0.5, 0.25], 0.5), ([0.5, 0.5, 1, 1], 0),
        ([0.5, 0.5, 0, 0], 0), ([0, 0, 0, 0], 0),
    ):  # fmt: skip
        assert Locating.grades(np.float32([other]), box)[0] == pytest.approx(overlap)
        assert Locating.right(np.float32([other]), box)[0] == (overlap >= 0.5)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_tells_missing_answers_and_refuses_what_is_none(name):
    task = TASKS[name]
    width = 2 if name.startswith("binary") else 4
    truth = np.array([0, 1, 1, 0, 1]) if task.labelled else np.eye(5, 4, dtype=np.float32)
    answers = task.unanswered(truth)
    assert task.title and task.score and task.missing(answers).all()
    given = task.answers(torch.full((3, width), torch.nan), 3)  # damaged weights answer, too, wrongly
    assert not task.right(given, truth[:3]).any()
    assert (task.scores(given, truth[:3], truth) <= 0).all()
    answers[1:4] = given
    assert task.missing(answers).tolist() == [True, False, False, False, True]
    with pytest.raises(ModelError, match="must give one .* an image.*; for 3 images it gave"):
        task.answers(torch.zeros(4), 3)
    outputs = torch.full((5, width), 0.5, requires_grad=True)
    task.loss(outputs, torch.from_numpy(truth)).backward()
    assert outputs.grad.abs().sum() > 0


@pytest.fixture(scope="module")
def locator() -> Model:
    return workbench.load("locator/located-mnist")


def test_its_score_its_mean_overlap_and_their_intervals_are_in_the_report(locator):
    compressed = compress(locator, Recipe.sliders(sparsity=0.8, bits=4))
    report = workbench.assess(compressed, images=1000)
    now, was = report.compressed.accuracy, report.original.accuracy
    test = locator.data.split("test")
    order = class_balanced_order(test.labels)[:1000]
    with torch.no_grad():
        overlaps = Locating.grades(compressed.to_torch()(test.inputs(order)).numpy(), test.truth[order])
    assert now.value == pytest.approx((overlaps >= 0.5).mean(), abs=2e-3)  # in other batches a tie may fall otherwise
    (overlap,) = now.beside
    assert overlap.value == pytest.approx(overlaps.mean(), abs=1e-4)
    assert overlap.low < overlap.value < overlap.high
    assert was.value > 0.98 and now.value < was.value and overlap.value < was.beside[0].value
    content = json.loads(json.dumps(report.to_dict()))["compressed"]["accuracy"]
    assert content["title"] == "Found" and content["mean_iou"]["value"] == overlap.value
    assert "found (%)" in report.table() and "mean IoU (%)" in report.table()
    assert report.data["task"] == "locating"


def test_running_estimates_end_at_the_exact_figures(locator):
    compressed = compress(locator, Recipe.sliders(bits=3))
    *running, last = [standing.compressed for standing in Examiner(budget=0).accuracies(compressed, 2000)]
    assert last.exact and not running[0].exact
    final = last.beside[0].value
    held = [one.beside[0].low <= final <= one.beside[0].high for one in running]
    assert sum(held) >= 0.8 * len(held)
    assert running[-1].beside[0].high - running[-1].beside[0].low < running[0].beside[0].high - running[0].beside[0].low


def test_a_file_of_a_task_is_read_back_with_its_scores(locator, tmp_path):
    compressed = compress(locator, Recipe.sliders(sparsity=0.5, bits=8))
    back = workbench.read(compressed.save(tmp_path / "locator.cwb"))
    ours, theirs = (workbench.assess(one, images=500).compressed.accuracy for one in (compressed, back))
    assert ours == theirs


def test_mean_intervals_hold_what_they_promise():
    """95 % of 400 samples of a known mean, within four deviations of that share."""
    random = np.random.default_rng(0)
    whole = random.beta(5, 2, (400, 2000))
    held = [found.low <= 5 / 7 <= found.high for found in map(mean, whole[:, :300])]
    assert 0.95 - 4 * 0.011 < np.mean(held) < 0.95 + 4 * 0.011
    better = np.clip(whole + random.normal(0.02, 0.1, whole.shape), 0, 1)
    found = [paired_mean(known, other[:300]) for known, other in zip(whole, better, strict=True)]
    held = [one.low <= other.mean() <= one.high for one, other in zip(found, better, strict=True)]
    assert 0.95 - 4 * 0.011 < np.mean(held) < 0.95 + 4 * 0.011
    closed = paired_mean(whole[0], better[0])
    assert closed.low == closed.value == closed.high == pytest.approx(better[0].mean())


def test_data_of_ones_own_may_ask_for_boxes():
    random = np.random.default_rng(0)
    images, truth = random.random((40, 3)).astype(np.float32), np.tile(np.float32([0, 0, 1, 1]), (40, 1))
    data = Dataset.from_arrays("boxes", test=(images, np.zeros(40, int), truth), task="locating")
    module = nn.Sequential(nn.Linear(3, 4))
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.6]))
    report = workbench.assess(compress(Model.from_module(module, torch.zeros(1, 3), data), Recipe()))
    assert report.compressed.accuracy.value == 1.0
    assert report.compressed.accuracy.beside[0].value == pytest.approx(0.6)
    with pytest.raises(DataError, match="Split test: what is to be answered"):
        Dataset.from_arrays("boxes", test=(images, np.zeros(40, int), truth[:3]), task="locating")
