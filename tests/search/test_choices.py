"""The named choices: rules on validation images, and what is shipped belongs to the very network."""

import dataclasses

import pytest

import workbench
from workbench.search.choices import RULES, choose
from workbench.search.shipped import NETWORKS, named, shipped
from workbench.search.sweep import grid, sweep


@pytest.fixture(scope="module")
def trials():
    model = workbench.load("lenet-300-100/mnist")
    return sweep(model, grid((0.0, 0.5, 0.8, 0.9), (8, 4, 3)), images=500, split="validation").trials


def test_each_rule_takes_the_smallest_that_keeps_it(trials):
    found = {choice.rule: choice for choice in choose(trials)}
    assert set(found) == set(RULES)
    for rule, choice in found.items():
        keeping = [
            trial.report.compressed.size.value
            for trial in trials
            if trial.report.original.accuracy.value - trial.report.compressed.accuracy.value <= rule.loses
        ]
        assert choice.size == min(keeping) and choice.lost <= rule.loses
    sizes = [found[rule].size for rule in RULES]
    assert sizes == sorted(sizes, reverse=True)


def test_a_rule_in_words():
    assert RULES[1].says(True) == "The smallest file with at most 5 more wrong in 1,000"
    assert RULES[0].says(False) == "The smallest file that loses at most 0.1 points of its score"


def test_a_rule_that_nothing_keeps_has_no_choice(trials):
    worst = max(trials, key=lambda trial: -trial.report.compressed.accuracy.value)
    assert [choice.rule for choice in choose([worst])] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_shipped_is_what_was_measured_on_validation_images(name):
    model = workbench.load(name)
    choices = shipped(model)
    assert [choice.rule for choice in choices] == list(RULES)
    careful = choices[0]
    (trial,) = sweep(model, {"careful": careful.recipe}, split="validation").trials
    assert trial.report.compressed.size.value == careful.size
    lost = trial.report.original.accuracy.value - trial.report.compressed.accuracy.value
    assert lost == pytest.approx(careful.lost, abs=2e-4)  # an image may fall otherwise on another processor


def test_another_network_of_that_name_has_none(own):
    model = workbench.load("lenet-300-100/mnist")
    assert shipped(dataclasses.replace(model, digest="another")) == ()
    assert named(own) == ()
