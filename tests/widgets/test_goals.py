"""Goals as they are typed, sent, kept and told."""

import math

import pytest

import workbench
from tests.widgets.plotted import Plotted
from widgets.controls.goals import read, typed
from widgets.dashboards.goals import Goals
from widgets.dashboards.outcome import Outcomes
from widgets.views.measures import measures
from widgets.views.numbers import NBSP
from workbench.errors import RecipeError


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("size", "50 kB", 50_000),
        ("size", "50KB", 50_000),
        ("size", f" 1,066{NBSP}kB ", 1_066_000),
        ("size", "812 bytes", 812),
        ("size", "1.25 MB", 1_250_000),
        ("accuracy", "98 %", 0.98),
        ("accuracy", "98.5", 0.985),
        ("energy", "2 µJ", 2e-6),
        ("energy", "2uJ", 2e-6),
        ("latency", "30 µs", 30e-6),
        ("effective_macs", "1.5 M", 1_500_000),
        ("effective_macs", "1.5 M MACs", 1_500_000),
        ("bit_operations", "27.3 M bit operations", 27_300_000),
        ("arithmetic_intensity", "0.79", 0.79),
        ("arithmetic_intensity", "0.79 MAC/byte", 0.79),
        ("size", ".5 kB", 500),
        ("size", "  ", None),
    ],
)
def test_what_people_type_is_read_in_its_unit(name, text, limit):
    assert typed(text, measures()[name]) == (limit if limit is None else pytest.approx(limit))


@pytest.mark.parametrize(("text", "like", "limit"), [("50", f"1,066{NBSP}kB", 50_000), ("2", f"277{NBSP}µJ", 2e-6)])
def test_a_bare_number_is_in_the_unit_that_the_page_shows(text, like, limit):
    metric = measures()["size" if "B" in like else "energy"]
    assert typed(text, metric, like) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("name", "text"),
    [("size", "small"), ("size", "50 kJ"), ("size", "-5 kB"), ("accuracy", "98 kB"), ("size", "1e3"), ("size", 5),
     ("size", "9" * 41), ("size", "1 2"), ("energy", "3 %")],
)  # fmt: skip
def test_what_is_no_such_figure_is_refused_in_a_sentence(name, text):
    with pytest.raises(RecipeError):
        typed(text, measures()[name])


@pytest.mark.parametrize(
    "content", [None, [], {"size": "50"}, {"size": True}, {"weight": 1}, {"size": -1}, {"size": math.nan}, {5: 1}]
)
def test_goals_that_a_page_cannot_mean_are_refused(content):
    with pytest.raises(RecipeError):
        read(content)


@pytest.fixture(scope="module")
def session(lenet):
    session = workbench.Session(lenet, images=100)
    session.wait(60)
    yield session
    session.close()


def test_goals_are_kept_told_and_taken_away(session):
    page, seen = Plotted(), []
    goals = Goals(session, page.send)
    goals.observe(lambda: seen.append(dict(goals.limits)))
    goals.hears["goal"]({"kind": "goal", "metric": "size", "text": "50"})  # the original is written in kB
    goals.hears["goal"]({"kind": "goal", "metric": "accuracy", "text": "98 %"})
    assert goals.limits == {"size": 50_000, "accuracy": 0.98}
    assert page.last("goals")["texts"] == {"size": f"50.0{NBSP}kB", "accuracy": f"98.00{NBSP}%"}
    assert page.last("goals")["said"]["size"] == f"size at most 50.0{NBSP}kB"
    goals.hears["goal"]({"kind": "goal", "metric": "size", "text": "tiny"})
    assert page.last("goals")["error"].startswith("'tiny' is no size")
    goals.hears["goals"]({"kind": "goals", "limits": {"accuracy": 0.99}})
    assert goals.limits == {"accuracy": 0.99} and page.last("goals")["error"] == ""
    goals.hears["goal"]({"kind": "goal", "metric": "accuracy", "text": ""})
    assert seen[-1] == {} and len(seen) == 4


def test_what_is_searched_for_are_the_goals_from_then_on(session):
    page = Plotted()
    goals = Goals(session, page.send)
    goals.set({"energy": 1e-6, "accuracy": 0.5})
    outcomes = Outcomes(session, page.send, goals)
    outcomes.hello()
    limits = {one["metric"]: one["stops"][-1]["value"] for one in page.last("outcome")["stops"]["limits"]}
    size, macs = limits["size"], limits["effective_macs"]
    for wished in ({"size": size}, {"effective_macs": macs}):
        outcomes.hears["outcome"]({"kind": "outcome", "ask": "find", "limits": wished, "accuracy": None})
        outcomes.hears["outcome"]({"kind": "outcome", "ask": "cancel"})
        assert goals.limits == {"energy": 1e-6, **wished}
    assert page.last("goals")["limits"] == goals.limits
    outcomes.close()
