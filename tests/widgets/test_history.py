"""What a page is told of the places of its history."""

from collections.abc import Iterator

import pytest

import workbench
from tests.widgets.test_ending import until
from tests.widgets.trainings import training_is_over
from widgets.controls.position import Position
from widgets.dashboards.history import MOST, History
from widgets.views import numbers
from widgets.views.numbers import NBSP
from workbench.compression.compressed import compress
from workbench.devices.device import Device
from workbench.engine.assessment import assess
from workbench.errors import RecipeError
from workbench.methods.quantize.aware import QuantisationAware
from workbench.models import zoo

LENET, DEVICE = "lenet-300-100/mnist", "horowitz-45nm"


class Page:
    def __init__(self, session: workbench.Session) -> None:
        self.said: list[dict] = []
        self.part = History(session, lambda content, buffers: self.said.append(content), zoo.listed)
        self.number = 0

    def ask(self, *places: tuple[dict, int | None], pair: object = ()) -> dict:
        self.number += 1
        given = [{"position": position, "parent": parent} for position, parent in places]
        pair = list(pair) if isinstance(pair, tuple) else pair
        content = {"kind": "history", "number": self.number, "places": given, "pair": pair}
        self.part.hears["history"](content)
        return next(one for one in self.said if one.get("number") == self.number)


@pytest.fixture
def session(lenet) -> Iterator[workbench.Session]:
    session = workbench.Session(lenet, images=250)
    yield session
    session.close()


def at(network: str = LENET, **sliders: object) -> dict:
    position = Position.of_recipe(workbench.Recipe.sliders(**sliders), network, DEVICE)
    return position.to_dict()


def test_words_changes_and_the_figures_that_were_measured(session):
    page = Page(session)
    session.recipe = workbench.Recipe.sliders(sparsity=0.5)
    session.wait(60)
    told = page.ask((at(), None), (at(sparsity=0.5), 0), (at(sparsity=0.5, bits=4), 1), (at("lenet-5/mnist"), 0))
    first, measured, further, other = told["places"]
    assert (first["recipe"], first["changes"]) == ("no compression", [LENET])
    assert (measured["recipe"], measured["changes"]) == (f"sparsity 50{NBSP}%", [f"Sparsity 50{NBSP}% added."])
    found = session.report.compressed
    assert measured["figures"] == [numbers.percent(found.accuracy.value), numbers.bytes_(found.size.value)]
    assert (further["changes"], further["figures"]) == (["4 bits added."], ["not measured"])
    assert other["changes"] == [f"Network lenet-5/mnist instead of {LENET}."]
    assert told["pair"] is None


def test_what_was_measured_before_the_page_was_loaded_anew_is_measured_while_nobody_waits(session):
    page = Page(session)
    places = (at(bits=4), None), (at(bits=3), 0)
    session.wait(60)
    page.ask(*places)
    until("they were never measured", lambda: [one["kind"] for one in page.said].count("measured") == 2)
    for told, bits in zip(page.ask(*places)["places"], (4, 3), strict=True):
        report = assess(compress(session.model, workbench.Recipe.sliders(bits=bits)), images=250)
        assert told["figures"][0] == numbers.percent(report.compressed.accuracy.value)
    assert session.recipe == workbench.Recipe()


def test_what_was_measured_before_a_training_is_not_told_after_it(session):
    page = Page(session)
    recipe = workbench.Recipe((workbench.Step(QuantisationAware(bits=6)),))
    place = {**at(), **Position.of_recipe(recipe, LENET, DEVICE).to_dict()}
    session.recipe = recipe
    session.wait(60)
    before = page.ask((place, None))["places"][0]["figures"]
    session.recipe = workbench.Recipe()
    session.wait(60)
    training_is_over(session, recipe)
    assert {"kind": "measured"} in page.said
    assert page.ask((place, None))["places"][0]["figures"] == ["not measured"] != before
    until("it was not measured again", lambda: page.ask((place, None))["places"][0]["figures"] != ["not measured"])


def test_two_side_by_side(session):
    page = Page(session)
    for bits in (3, 4):
        session.recipe = workbench.Recipe.sliders(bits=bits)
        session.wait(60)
    pair = page.ask((at(), None), (at(bits=3), 0), (at(bits=4), 1), pair=(1, 2))["pair"]
    assert (pair["titles"], pair["missing"]) == (["3 bits", "4 bits"], "")
    assert pair["changes"] == ["Bits: 4 bits instead of 3 bits."]
    size = next(row for row in pair["rows"] if row["label"] == "Size")
    assert size["better"] == "first" and "larger" in size["change"]
    unknown = page.ask((at(bits=8), None), (at(bits=4), None), pair=(0, 1))["pair"]
    assert unknown["rows"] == [] and unknown["missing"]
    assert page.ask((at(bits=4), None), (at(bits=4), None), pair=(0, 1))["pair"]["changes"] == ["Nothing."]


def test_a_place_that_is_no_more_is_a_sentence_and_the_others_are_told(session):
    broken, whole = at(), at(bits=4)
    broken["model"] = "gone/away"
    told = Page(session).ask((broken, None), (whole, 0), ("x", 5), pair=(0, 1))
    assert "gone/away" in told["places"][0]["error"]
    assert told["places"][1]["recipe"] == "4 bits"
    assert "error" in told["places"][2]
    assert told["pair"] is None


@pytest.mark.parametrize("pair", [None, "ab", [0], [0, 0.5], [0, 9], [True, 0], {"0": 1}])
def test_what_is_no_pair_shows_none(pair, session):
    assert Page(session).ask((at(), None), (at(bits=4), 0), pair=pair)["pair"] is None


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"number": -1, "places": [], "pair": []},
        {"number": 1, "places": {}, "pair": []},
        {"number": 1, "places": [{}], "pair": []},
        {"number": 1, "places": [{"position": {}, "parent": None}] * (MOST + 1), "pair": []},
    ],
)
def test_what_is_no_question_is_refused(content, session):
    with pytest.raises(RecipeError, match="history"):
        Page(session).part.hears["history"]({"kind": "history", **content})


def test_every_device_has_a_name_for_people(session):
    one, other = at(), at()
    one["device"], other["device"] = Device.names()[:2]
    (change,) = Page(session).ask((one, None), (other, 0))["places"][1]["changes"]
    assert Device.load(other["device"]).title in change
