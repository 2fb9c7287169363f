"""Changed answers, against loops over them; calibration, against its definition."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.accuracy.order import selection
from workbench.data.split import Split
from workbench.insight.behaviour import Behaviour, Flips, behaviour, by_class, confusion, confusion_change, flips
from workbench.insight.calibration import confidences, reliability
from workbench.tasks.classification import Classification


@pytest.fixture(scope="module")
def found(squeezed) -> Behaviour:
    return behaviour(squeezed)


def test_answers_are_those_that_accuracy_was_counted_on(squeezed, found):
    report = workbench.assess(squeezed)
    before, after = found.right
    assert (before.mean(), after.mean()) == (report.original.accuracy.value, report.compressed.accuracy.value)
    assert len(behaviour(squeezed, 100).after) == 100


def test_flips_are_those_of_a_loop_over_the_answers(found):
    lost, gained, other = [], [], []
    labels = found.images.split.labels[found.images.order].tolist()
    for place, (label, before, after) in enumerate(
        zip(labels, found.before.tolist(), found.after.tolist(), strict=True)
    ):
        if before == label != after:
            lost.append(place)
        elif before != label == after:
            gained.append(place)
        elif before != after:
            other.append(place)
    changed = flips(found)
    assert (changed.lost.tolist(), changed.gained.tolist(), changed.other.tolist()) == (lost, gained, other)
    assert len(lost) > len(gained) > 0 and other


def test_p_is_that_of_a_fair_coin():
    """B. Rosner, Fundamentals of Biostatistics, example 10.24 in the 8th edition: 5 and 15 discordant pairs, 0.041."""

    def flipped(lost: int, gained: int) -> float:
        return Flips(np.arange(lost), np.arange(gained), np.arange(0)).p_value

    assert flipped(5, 15) == flipped(15, 5) == pytest.approx(0.0414, abs=5e-5)
    for lost, gained in ((0, 0), (1, 0), (3, 3), (0, 6), (40, 90)):
        coins = lost + gained
        tail = sum(math.comb(coins, heads) for heads in range(min(lost, gained) + 1)) / 2**coins
        assert flipped(lost, gained) == pytest.approx(min(1.0, 2 * tail))


def test_right_answers_by_class_add_up(found):
    counted, (before, after) = by_class(found), found.right
    labels = found.images.labels
    for label in range(10):
        these = labels == label
        assert counted.images[label] == these.sum()
        assert (counted.before[label], counted.after[label]) == (before[these].sum(), after[these].sum())


def test_each_row_of_the_confusion_change_sums_to_zero(found):
    change = confusion_change(found, 10)
    assert change.shape == (10, 11) and (change.sum(1) == 0).all() and change.any()
    for label, answer in ((3, 5), (4, 9), (7, 7)):
        rows = found.images.labels == label
        counts = [int((answers[rows] == answer).sum()) for answers in (found.before, found.after)]
        assert change[label, answer] == counts[1] - counts[0]
    assert (confusion(found, found.after, 10).sum(1) == by_class(found).images).all()


def test_an_answer_that_is_no_class_is_in_the_last_column():
    images = selection(Split("test", np.zeros((4, 2), np.float32), np.array([0, 1, 1, 0])))
    truth = images.truth.astype(np.int32)
    broken = np.full(4, Classification.NO_CLASS, np.int32)
    assert confusion_change(Behaviour(Classification, images, truth, broken), 2).tolist() == [[-2, 0, 2], [0, -2, 2]]


def test_confidence_is_the_largest_softmax_and_its_error_guos(lenet, squeezed, found):
    sure = confidences(squeezed)
    images = found.images.inputs(0, 300)
    with torch.no_grad():
        softmax = squeezed.to_torch()(images).softmax(1).max(1).values.numpy()
    assert sure[:300] == pytest.approx(softmax, abs=1e-5) and len(sure) == len(found.images)
    right = found.right[1]
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for confidence, hit in zip(sure.tolist(), right.tolist(), strict=True):
        bins[next(number for number in range(15) if confidence <= (number + 1) / 15 or number == 14)].append(
            (confidence, hit)
        )
    error = sum(
        len(bin) / len(sure) * abs(sum(hit for _, hit in bin) / len(bin) - sum(one for one, _ in bin) / len(bin))
        for bin in bins
        if bin
    )
    made = reliability(sure, right)
    assert made.error == pytest.approx(error, abs=1e-12) and made.images.tolist() == [len(bin) for bin in bins]


def test_one_who_is_always_sure_and_right_has_no_calibration_error_and_a_boaster_has():
    assert reliability(np.ones(5), np.ones(5, bool)).error == 0
    assert reliability(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, False, True, False])).error == pytest.approx(0.4)
    assert reliability(np.array([0.0, 1 / 15]), np.array([False, False])).images[0] == 2  # a bin has its upper end


def test_without_images_there_are_no_answers():
    model = workbench.Model.from_module(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 4))
    assert behaviour(workbench.compress(model, workbench.Recipe())) is None
