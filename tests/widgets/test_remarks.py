"""What is remarked on a report, and the tasks of a first visit."""

from dataclasses import replace

from widgets.views.challenges import challenges
from widgets.views.remarks import remarks
from workbench.report.advice import advice
from workbench.report.report import Report


def done(report: Report) -> list[bool]:
    return [challenge["done"] for challenge in challenges(report)]


def test_guidelines_come_first_with_their_figures_and_every_note_is_said(squeezed):
    report = replace(squeezed, notes=("One layer was left alone.",))
    said = remarks(report)
    assert [one["text"] for one in said] == [*(one.sentence for one in advice(report)), "One layer was left alone."]
    for one, guideline in zip(said, advice(report), strict=False):
        assert guideline.evidence in one["why"] and guideline.source in one["why"]
    assert said[-1]["why"] == ""


def test_the_figures_tick_the_tasks_off(untouched, squeezed):
    assert done(untouched) == [False, False, False]
    was, size = squeezed.original, squeezed.compressed.size
    small = {**squeezed.compressed.costs, "size": replace(size, value=was.size.value // 10)}
    kept = replace(squeezed.compressed.accuracy, value=was.accuracy.value - 0.009)
    lost = replace(squeezed.compressed.accuracy, value=was.accuracy.value - 0.011)
    assert done(replace(squeezed, compressed=replace(squeezed.compressed, costs=small, accuracy=kept)))[:2] == [
        True,
        True,
    ]
    assert done(replace(squeezed, compressed=replace(squeezed.compressed, costs=small, accuracy=lost)))[:2] == [
        True,
        False,
    ]
    guess = replace(kept, exact=False)
    assert not done(replace(squeezed, compressed=replace(squeezed.compressed, costs=small, accuracy=guess)))[1]


def test_a_layer_with_a_value_of_its_own_is_the_third(lenet, squeezed):
    step = {**squeezed.recipe["steps"][0], "overrides": {"fc1": {"sparsity": 0.9}}}
    assert done(replace(squeezed, recipe={**squeezed.recipe, "steps": [step]}))[2]
