"""Searches that a page asks for: what it says is checked, and what it is told is complete."""

from threading import Event

import pytest
from zoo import loaded

from widgets.dashboards.goals import Goals
from widgets.dashboards.outcome import Outcomes
from widgets.dashboards.sensitivity import Sensitivities
from workbench import Session
from workbench.errors import RecipeError

PATIENCE = 120  # seconds


class Told:
    """What a part has said, and when it said something that is waited for."""

    def __init__(self, awaited):
        self.messages, self.there, self._awaited = [], Event(), awaited

    def __call__(self, message, buffers):
        self.messages.append(message)
        if self._awaited(message):
            self.there.set()

    def wait(self):
        assert self.there.wait(PATIENCE), self.messages[-1]
        return self.messages[-1]


def outcomes(session, send):
    return Outcomes(session, send, Goals(session, lambda *_: None))


@pytest.fixture
def session():
    session = Session(loaded("lenet-300-100/mnist"), images=200)
    yield session
    session.close()


def test_a_page_is_told_the_stops_of_its_network(session):
    told = Told(lambda message: "stops" in message)
    outcomes(session, told).hello()
    assert told.wait()["model"] == "lenet-300-100/mnist"
    limits = {one["metric"]: one["stops"] for one in told.messages[0]["stops"]["limits"]}
    assert {one["text"] for one in limits["size"]} >= {"any", "20.0\u00a0kB"}
    assert limits.keys() == {"size", "effective_macs", "bit_operations", "energy"}
    assert {one["text"] for one in limits["effective_macs"]} >= {"any", "20.0\u00a0k\u00a0MACs"}


def test_a_search_that_is_cancelled_says_no_more(session):
    told = Told(lambda message: message.get("status", "").startswith("Measuring"))
    part = outcomes(session, told)
    hear = part.hears["outcome"]
    hear({"kind": "outcome", "ask": "find", "limits": {"size": 20_000}, "accuracy": 0.95})
    told.wait()
    hear({"kind": "outcome", "ask": "cancel"})
    last = told.messages[-1]
    assert (last["running"], last["takes"], last["error"]) == (False, False, "")
    session.wait(PATIENCE)
    assert session.recipe.steps == ()  # it reached nothing that the controls could be put at


@pytest.mark.parametrize(
    "content",
    [
        {"ask": "find", "limits": {"size": 20_001}, "accuracy": None},
        {"ask": "find", "limits": {"size": True}, "accuracy": 0.98},
        {"ask": "find", "limits": {"size": None}, "accuracy": 0.98},
        {"ask": "find", "limits": {"peak_memory": 1000}, "accuracy": 0.98},
        {"ask": "find", "limits": [], "accuracy": 0.98},
        {"ask": "find", "limits": {}, "accuracy": None},
        {"ask": "find", "limits": {}},
        {"ask": ["find"]},
        {},
    ],
)
def test_what_a_page_cannot_mean_is_refused(session, content):
    with pytest.raises(RecipeError):
        outcomes(session, lambda *_: None).hears["outcome"]({"kind": "outcome", **content})


def test_every_layer_is_told_at_every_stop_of_the_slider(session):
    told = Told(lambda message: message["done"])
    part = Sensitivities(session, told)
    part.hears["sensitivity"]({"kind": "sensitivity", "axis": "bits"})
    last = told.wait()
    assert last["status"] == "Each layer alone, measured on 2,000 validation images"
    assert sorted(last["order"]) == ["fc1", "fc2", "fc3"] == sorted(row["layer"] for row in last["layers"])
    stops = {one["stop"] for one in last["stops"]}
    assert all({cell["stop"] for cell in row["cells"]} == stops for row in last["layers"])
    assert max(cell["share"] for row in last["layers"] for cell in row["cells"]) == 1.0
    for axis in ("width", ["bits"], 3):
        with pytest.raises(RecipeError):
            part.hears["sensitivity"]({"kind": "sensitivity", "axis": axis})
