"""The part that keeps the points: coarse ones are refined or leave, others are suggested, two are compared."""

from dataclasses import replace

import pytest

import workbench
from tests.widgets.plotted import Plotted
from tests.widgets.reports import IMAGES, assessed
from tests.widgets.trainings import keep_result, training_is_over
from widgets.dashboards.goals import Goals
from widgets.dashboards.plot import Plot
from widgets.views.points import COARSE, UNTOUCHED, coarse, compressed_point, visit
from workbench.compression.ladders import ladder
from workbench.engine.update import Update
from workbench.errors import RecipeError
from workbench.methods.quantize.aware import QuantisationAware
from workbench.recipe import Recipe, Step


class Shown(Plotted):
    """A page that has been drawn, with the plot of a session."""

    def __init__(self, model: workbench.Model, hello: bool = True) -> None:
        super().__init__()
        self.session = workbench.Session(model, images=IMAGES if model.data else None)
        self.goals = Goals(self.session, self.send)
        self.plot = Plot(self.session, self.send, self.goals)
        self.session.update()
        self.session.wait(60)
        if hello:
            self.plot.hello()

    def say(self, kind: str, **content) -> None:
        hears = {**self.plot.hears, **self.goals.hears}
        hears[kind]({"kind": kind, **content})

    def move(self, **sliders) -> str:
        recipe = Recipe.sliders(**sliders)
        self.session.update(recipe=recipe)
        self.session.wait(60)
        return recipe.digest

    def idle(self) -> None:
        """Until nothing more is done in idle time."""
        self.until(lambda: not self.session._idling.wanted)

    def close(self) -> None:
        self.plot.close()
        self.session.close()


@pytest.fixture
def page(lenet):
    page = Shown(lenet, hello=False)
    yield page
    page.close()


@pytest.fixture
def drawn(lenet):
    page = Shown(lenet)
    yield page
    page.close()


def estimate(point):
    return replace(point, exact=False, accuracy=replace(point.accuracy, value=0.5, images=100, exact=False))


def test_every_point_visited_is_kept_once_and_told_once(page):
    digests = [page.move(bits=bits) for bits in (4, 3, 4)]
    assert set(page.rows) == {UNTOUCHED, *digests}
    assert page.told["current"] == digests[0]
    before = len(page.messages)
    page.say("axis", axis="x", measure="energy")
    (told,) = page.messages[before:]
    assert (told["rows"], told["gone"], told["anew"]) == ([], [], False)  # the page has them all
    assert (told["x"], told["front"]) == ("energy", page.told["front"])


def test_points_visited_long_ago_leave(page, monkeypatch):
    monkeypatch.setattr("widgets.views.points.MOST", 3)
    digests = [page.move(bits=bits) for bits in (5, 4, 3, 2)]
    assert set(page.rows) == {UNTOUCHED, *digests[2:]}


def test_a_page_drawn_anew_is_told_everything(page):
    digest = page.move(bits=4)
    page.rows.clear()
    page.plot.hello()
    assert page.told["anew"] and set(page.rows) == {UNTOUCHED, digest}


def test_what_a_fast_sweep_went_past_is_refined_to_what_assess_says(drawn, lenet):
    drawn.idle()
    coarse_one = assessed(lenet, sparsity=0.37)
    hurried = estimate(compressed_point(coarse_one))
    with drawn.plot._lock:
        visit(drawn.plot._points, hurried)
    drawn.move(bits=5)
    assert not drawn.rows[hurried.digest]["exact"]
    drawn.idle()
    assert drawn.rows[hurried.digest]["exact"]
    assert drawn.rows[hurried.digest]["values"][0] == pytest.approx(100 * coarse_one.compressed.accuracy.value)


def test_what_cannot_be_refined_in_time_leaves(drawn, lenet, monkeypatch):
    drawn.idle()
    monkeypatch.setattr("widgets.dashboards.plot._REFINES", 0.0)
    hurried = estimate(compressed_point(assessed(lenet, sparsity=0.37)))
    with drawn.plot._lock:
        visit(drawn.plot._points, hurried)
    drawn.move(bits=5)
    drawn.idle()
    drawn.until(lambda: hurried.digest not in drawn.rows)  # a moment after the last of the work
    assert coarse(drawn.plot._points) == []


def test_a_first_look_is_shown_what_others_cost_and_a_later_one_is_not(drawn, lenet):
    drawn.idle()
    suggested = {digest: row for digest, row in drawn.rows.items() if row["kind"] == "suggested"}
    assert len(suggested) == 8 and all(row["exact"] for row in suggested.values())
    digest = next(iter(suggested))
    report = assessed(lenet, sparsity=0.8, bits=4)
    found = next(one for one in suggested.values() if one["digest"] == report.recipe["digest"])
    assert found["values"][0] == pytest.approx(100 * report.compressed.accuracy.value)
    assert drawn.session.recipe == Recipe()  # nobody was taken anywhere
    drawn.say("goto", digest=digest)
    drawn.session.wait(60)
    assert drawn.session.recipe.digest == digest
    assert drawn.rows[digest]["kind"] == "visited"
    drawn.idle()
    assert sum(drawn.rows[one]["kind"] == "suggested" for one in suggested) == 7


def test_beside_a_cut_stands_what_retraining_gives_and_one_can_go_there(drawn, lenet):
    drawn.idle()
    assert not any(row["shipped"] for row in drawn.rows.values())  # nothing has been cut yet
    drawn.move(sparsity=0.85)
    rungs = [one for one in ladder(lenet) if one.method.name == "prune.retrained-magnitude"]
    drawn.until(lambda: {recipe.digest for one in rungs for recipe in (one.recipe, one.cut)} <= set(drawn.rows))
    for rung in rungs:
        row, cut = drawn.rows[rung.recipe.digest], drawn.rows[rung.cut.digest]
        report = workbench.assess(workbench.compress(lenet, rung.recipe), images=IMAGES)
        assert row["values"][0] == pytest.approx(100 * report.compressed.accuracy.value)  # measured here
        assert (row["shipped"], row["trained"], row["exact"]) == (True, True, True)
        assert (cut["shipped"], cut["trained"], cut["exact"]) == (False, False, True)
    drawn.say("goto", digest=rungs[0].recipe.digest)
    drawn.session.wait(60)
    assert drawn.session.recipe == rungs[0].recipe
    assert drawn.session.report.kind == "faithful"
    assert drawn.rows[rungs[0].recipe.digest]["kind"] == "visited"


def test_nothing_is_suggested_before_there_is_a_page(page):
    assert not page.session._idling.wanted
    assert list(page.rows) == [UNTOUCHED]


def test_one_can_go_to_a_point_and_to_the_original_and_nowhere_else(page):
    digest = page.move(sparsity=0.5, bits=4)
    page.move(bits=4)
    page.say("goto", digest=digest)
    assert page.session.recipe == Recipe.sliders(sparsity=0.5, bits=4)
    page.say("goto", digest=UNTOUCHED)
    assert page.session.recipe == Recipe()
    for odd in (None, 5, "0" * 64, [digest], {"digest": digest}):
        with pytest.raises(RecipeError):
            page.say("goto", digest=odd)
        with pytest.raises(RecipeError):
            page.say("compare", digest=odd)
    for odd in (None, "weight", ["size"]):
        with pytest.raises(RecipeError):
            page.say("axis", axis="x", measure=odd)
        with pytest.raises(RecipeError):
            page.say("axis", axis=odd, measure="size")


def test_a_pinned_point_is_compared_with_wherever_one_goes(page):
    pinned = page.move(sparsity=0.9, bits=2)
    page.move(bits=4)
    page.say("compare", digest=pinned)
    page.until(lambda: page.last("comparison")["content"]["verdict"] != "")
    content = page.last("comparison")["content"]
    assert content["titles"] == ["4 bits", page.rows[pinned]["label"]]
    assert "differs by" in content["verdict"] and f"of {IMAGES} images" in content["images"]
    page.move(sparsity=0.9, bits=2)
    page.until(lambda: page.last("comparison")["content"]["images"].startswith("Both"))
    said = len([one for one in page.messages if one["kind"] == "comparison"])
    page.say("compare", digest="")
    page.move(bits=3)
    assert len([one for one in page.messages if one["kind"] == "comparison"]) == said


def test_the_original_can_be_compared_with(page):
    page.move(sparsity=0.9)
    page.say("compare", digest=UNTOUCHED)
    page.until(lambda: page.last("comparison")["content"]["verdict"] != "")
    assert page.last("comparison")["content"]["titles"][1] == "original"


def test_another_network_has_points_of_its_own_and_nothing_to_compare(page):
    page.say("compare", digest=page.move(bits=4))
    page.session.update(model=workbench.load("lenet-5/mnist"))
    page.session.wait(120)
    assert page.told["model"] == "lenet-5/mnist" and list(page.rows) == [UNTOUCHED]
    assert page.last("comparison") == {"kind": "comparison", "digest": "", "content": None, "error": ""}


def test_another_network_under_the_same_name_begins_without_points(page, lenet):
    digest = page.move(bits=4)
    page.session.update(model=workbench.load(lenet.name))
    page.session.wait(60)
    assert digest not in page.rows


def test_goals_shade_what_is_out_and_are_counted(page):
    page.move(sparsity=0.9, bits=2)
    page.say("goals", limits={"accuracy": 0.98, "size": 50_000})
    assert page.told["rails"] == {"x": 50_000, "y": 98.0}
    assert page.told["said"].startswith("None of 2")
    page.say("goals", limits={})
    assert (page.told["rails"], page.told["said"]) == ({"x": None, "y": None}, "")


def test_a_fast_sweep_tells_few_estimates(page, lenet):
    report = assessed(lenet, bits=4)
    accuracy = replace(report.compressed.accuracy, exact=False)
    for number in range(60):
        recipe = {**report.recipe, "digest": str(number)}
        one = replace(report, recipe=recipe, compressed=replace(report.compressed, accuracy=accuracy))
        page.plot._updated(Update(number, True, "accuracy", one, 0.1))
    page.plot._tell()
    assert sum(not row["exact"] for row in page.rows.values()) == COARSE


def test_a_network_without_images_is_plotted_by_its_costs(own):
    page = Shown(own)
    page.move(bits=3)
    try:
        page.say("axis", axis="y", measure="energy")
        assert len(page.told["front"]) == 1  # the smaller one takes less of both
        assert len(page.rows) == 2 and all(row["values"][0] is None for row in page.rows.values())
        page.say("compare", digest=UNTOUCHED)
        assert page.last("comparison")["content"]["verdict"] == ""
    finally:
        page.close()


def test_what_was_made_before_a_training_leaves_when_that_is_over(page):
    trained, other = Recipe((Step(QuantisationAware(bits=7)),)), page.move(bits=3)
    for recipe in (trained, Recipe.sliders(bits=4)):
        page.session.update(recipe=recipe)
        page.session.wait(60)
    assert page.rows[trained.digest]["trained"] is False
    training_is_over(page.session, trained)
    page.until(lambda: trained.digest not in page.rows)
    assert {UNTOUCHED, other} <= set(page.rows)
    page.session.update(recipe=trained)
    page.session.wait(60)
    assert page.rows[trained.digest]["trained"] is True


def test_what_another_process_trained_is_noticed_at_the_next_rest(drawn):
    trained = Recipe((Step(QuantisationAware(bits=5)),))
    for recipe in (trained, Recipe.sliders(bits=4)):
        drawn.session.update(recipe=recipe)
        drawn.session.wait(60)
    keep_result(drawn.session.model, trained)
    assert trained.digest in drawn.rows
    drawn.move(bits=3)
    drawn.until(lambda: trained.digest not in drawn.rows)


def test_a_move_to_another_device_is_one_that_refining_notices(page, monkeypatch):
    moves = []
    monkeypatch.setattr(
        "widgets.dashboards.plot.exact_reports", lambda *given, newest, **named: moves.append(newest) or iter(())
    )
    page.plot.hello()
    page.until(lambda: moves)
    before = moves[0]()
    page.session.device = "cortex-m4-l4r5"
    assert moves[0]() != before
