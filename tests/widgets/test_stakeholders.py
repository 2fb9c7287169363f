"""The kernel behind the page for people who decide: it moves sliders and hands out papers, and refuses all else."""

import time
from pathlib import Path

import pytest

import workbench
from widgets.controls.sliders import sliders
from widgets.dashboards.dashboard import ASKS
from widgets.dashboards.stakeholders import Stakeholders
from widgets.documents import offline
from workbench import files
from workbench.search.choices import RULES, Choice

RECIPE = workbench.Recipe.sliders(sparsity=0.5, bits=4)
USAGE = {"watt_hours": 0.675, "per_day": 864_000.0, "price": 0.2889}
GOALS = {"wrong": 15.0, "size": 100.0, "life": 30.0}
OFF = {axis: slider.off for axis, slider in sliders().items()}


@pytest.fixture(scope="module")
def session(lenet):
    session = workbench.Session(lenet, images=200)
    yield session
    session.close()


@pytest.fixture
def page(session, monkeypatch, tmp_path):
    """A page in a folder in which nothing may be written, and what it is handed."""

    def refused(*given):
        raise AssertionError("something was written to disk")

    monkeypatch.setattr(files, "write", refused)
    monkeypatch.chdir(tmp_path)
    session.update(recipe=workbench.Recipe())
    found = Stakeholders(session, [Choice(RULES[1], RECIPE, 0.0, 1)])
    handed = []
    monkeypatch.setattr(found.page, "offer", lambda name, kind, content: handed.append((name, kind, content)))
    found.handed = handed
    session.wait(60)
    yield found
    found.close()
    assert list(tmp_path.iterdir()) == []


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def say(page, content):
    page.page._handle_custom_msg(content, [])
    return page.page.state["error"]


def move(page, number, **changed):
    page.page.set_state({"move": {"seq": number, "stops": OFF, "usage": USAGE, "goals": GOALS, **changed}})
    return page.page.state["error"]


def test_it_begins_at_the_choice_in_the_middle_and_measures_it(page, session):
    assert session.recipe == RECIPE
    assert page.page.state["stops"] == {"sparsity": 50, "bits": 4, "rank": 100}
    until(lambda: page.page.state["choices"][0]["lines"])
    (card,) = page.page.state["choices"]
    assert card["stops"] == page.page.state["stops"] and card["title"] == "Balanced"
    assert card["rule"] == f"{RULES[1].says(True)}."
    expected = workbench.assess(workbench.compress(session.model, RECIPE), images=200)
    assert (
        card["lines"][0].replace("\u00a0", " ")
        == f"{1000 * (1 - expected.compressed.accuracy.value):.1f} wrong in 1,000"
    )


def test_a_move_is_answered_by_the_report_of_that_recipe(page, session):
    assert move(page, 1, stops={**OFF, "bits": 3}) == ""
    session.wait(60)
    until(lambda: page.page.state["answered"] == 1 and page.page.state["stage"] == "exact")
    assert session.recipe == workbench.Recipe.sliders(bits=3)
    assert page.page.state["figures"][1]["details"] == [f"{int(session.report.compressed.size.value):,}\u00a0bytes"]


def test_what_is_set_in_python_moves_the_sliders(page, session):
    session.recipe = workbench.Recipe.sliders(sparsity=0.3)
    session.wait(60)
    assert page.page.state["stops"] == {**OFF, "sparsity": 30}
    session.recipe = workbench.Recipe.sliders(bits=4, methods={"bits": "quantize.kmeans"})
    session.wait(60)
    assert "was set in Python" in page.page.state["error"]
    assert move(page, 1, stops={**OFF, "bits": 4}) == ""
    assert session.recipe == workbench.Recipe.sliders(bits=4)


def test_assumptions_and_goals_change_what_is_said_and_measure_nothing(page, session):
    stops, before = page.page.state["stops"], page.page.state
    number = session.update()
    session.wait(60)
    assert move(page, 1, stops=stops, usage={**USAGE, "per_day": 432_000.0}, goals={**GOALS, "size": None}) == ""
    state = page.page.state
    assert state["figures"][2]["value"] != before["figures"][2]["value"]
    assert len(state["verdict"]["rows"]) == len(before["verdict"]["rows"]) - 1
    assert session.update() == number + 1


@pytest.mark.parametrize(
    "kind", [*ASKS, "reach", "picture", "plotly", "upload", "import", "recipe", "shutdown", "model"]
)
def test_what_other_pages_may_ask_is_refused_with_a_sentence(page, kind):
    error = say(page, {"kind": kind})
    assert "cannot be done on it" in error and kind in error


@pytest.mark.parametrize(
    "content",
    [None, 5, [], {}, "hello", {"kind": ["hello"]}, {"kind": "report-html", "to": "/etc/passwd"},
     {"kind": "x" * 10_000}, {"kind": "hello", "move": {}}],
)  # fmt: skip
def test_nonsense_is_refused_with_a_short_sentence(page, content):
    error = say(page, content)
    assert "cannot be done on it" in error and len(error) < 200


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "lenet-5/mnist"}, {"device": "cortex-m4-l4r5"}, {"train": 1}, {"export": 1}, {"steps": []},
        {"stops": {**OFF, "bits": 99}}, {"stops": {"bits": 4}}, {"stops": None}, {"seq": -1}, {"seq": True},
        {"usage": {**USAGE, "per_day": 0}}, {"usage": {**USAGE, "path": "/"}}, {"usage": 3},
        {"goals": {**GOALS, "wrong": "none"}}, {"goals": []},
    ],
)  # fmt: skip
def test_a_move_with_anything_else_in_it_is_refused_and_moves_nothing(page, session, changed):
    before = session.recipe, session.device, session.model
    assert move(page, 1, **changed).endswith(".")
    assert (session.recipe, session.device, session.model) == before


def test_a_page_writes_into_nothing_but_its_move(page):
    before = page.page.get_state()
    page.page.set_state({"state": {}, "catalogue": {}, "_esm": "alert(1)", "x": 1})
    assert page.page.get_state() == before


@pytest.mark.parametrize(("kind", "begins"), [("html", b"<!DOCTYPE html>"), ("pdf", b"%PDF-")])
def test_a_report_is_made_in_memory_and_handed_over(page, kind, begins):
    until(lambda: page.page.state["stage"] == "exact")
    assert say(page, {"kind": f"report-{kind}"}) == ""
    until(lambda: page.handed)
    ((name, media, content),) = page.handed
    assert name == f"lenet-300-100-mnist-{RECIPE.digest[:8]}.{kind}" and content.startswith(begins)
    assert media in ("text/html", "application/pdf")


def test_the_offline_page_is_measured_in_pieces_and_can_be_stopped(page):
    assert say(page, {"kind": "offline"}) == ""
    until(lambda: page.page.state["offline"]["share"] > 0)
    assert say(page, {"kind": "stop-offline"}) == ""
    assert page.page.state["offline"] is None and page.handed == []
    assert not [name for name in page.session._pursuing._begun if "offline" in name]


def test_the_offline_page_is_handed_over_once_every_point_is_measured(page, monkeypatch):
    few = offline.Stops(sparsity=(0.0, 0.5), bits=(32, 4), rank=(1.0,))
    monkeypatch.setattr(offline, "Stops", lambda: few)
    assert say(page, {"kind": "offline"}) == ""
    until(lambda: page.handed)
    ((name, media, content),) = page.handed
    assert (name, media) == ("lenet-300-100-mnist-offline.html", "text/html")
    assert b'"1,1,0"' in content and b"200 test images" in content
    until(lambda: page.page.state["offline"] is None)


def test_the_notebook_shows_this_page_and_nothing_else():
    text = (Path(__file__).parents[2] / "notebooks" / "stakeholders.ipynb").read_text(encoding="utf-8")
    assert "Stakeholders(session)" in text and "Dashboard" not in text
