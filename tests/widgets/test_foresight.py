"""What a page is told ahead is what the kernel says when the controls are really put there, and of no other network."""

import copy
import json
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from tests.widgets.reports import IMAGES
from widgets import Dashboard
from widgets.controls.position import Position
from widgets.controls.sliders import sliders
from widgets.dashboards.dashboard import ASKS
from widgets.dashboards.foresight import foreseen
from widgets.draw.panel import Panel
from workbench.engine.session import Session
from workbench.method import AXES, METHODS
from workbench.recipe import Recipe, Step

WANTED = dict.fromkeys(ASKS, 0)  # what a page that asks for nothing says


class Page:
    """A page that has been drawn: it keeps what it is told ahead, and moves."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session, self.messages, self.seq = session, [], 0
        monkeypatch.setattr(Panel, "send", lambda panel, content, buffers: self.messages.append((content, buffers)))
        self.dashboard = Dashboard(session)
        self.panel = self.dashboard.panel
        session.wait(60)

    def say(self, **content) -> None:
        self.panel._handle_custom_msg(content, [])

    def move(self, wait: bool = True, **changed) -> dict:
        position = {**copy.deepcopy(self.panel.state["position"]), **changed}
        self.seq += 1
        self.panel.set_state({"move": {"seq": self.seq, "position": position, **WANTED}})
        if wait:
            self.session.wait(60)
        return self.panel.state

    def slide(self, wait: bool = True, **stops) -> dict:
        return self.move(wait, stops={**self.panel.state["position"]["stops"], **stops})

    def told(self) -> list[dict]:
        """Every position that it was told of, in order, with its costs; once nothing more comes."""
        deadline = time.monotonic() + 60
        while self.session._foreseeing.wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        kept: list[dict] = []
        for content, buffers in self.messages:
            if content["kind"] == "forget":
                kept.clear()
            elif content["kind"] == "ahead":
                kept += json.loads(zlib.decompress(buffers[0]))
        return kept


def key(position: dict) -> str:
    return json.dumps(position, sort_keys=True)


def shown(state: dict) -> dict:
    """What the page draws of a state where accuracy is not known."""
    tiles = [tile for tile in state["tiles"] if tile["key"] != "accuracy"]
    return {"recipe": state["recipe"], "kind": state["kind"], "tiles": tiles}


def stops(told: list[dict], axis: str, layer: str | None = None) -> list[int]:
    return [
        one["position"]["stops"][axis] if layer is None else one["position"]["overrides"].get(layer, {}).get(axis)
        for one in told
    ]


@pytest.fixture(autouse=True)
def _all_the_time_that_it_takes(monkeypatch):
    monkeypatch.setattr("widgets.dashboards.foresight._AHEAD", float("inf"))


def drawn(model: workbench.Model, monkeypatch: pytest.MonkeyPatch, images: int | None) -> Iterator[Page]:
    session = workbench.Session(model, images=images)
    page = Page(session, monkeypatch)
    yield page
    page.dashboard.close()
    session.close()


@pytest.fixture
def lenets_page(lenet, monkeypatch):
    yield from drawn(lenet, monkeypatch, IMAGES)


@pytest.fixture(scope="module")
def small() -> workbench.Model:
    """Layers called as LeNet-300-100's, and so small that a hundred positions are told at once."""
    torch.manual_seed(0)
    layers = {"fc1": nn.Linear(30, 20), "relu1": nn.ReLU(), "fc2": nn.Linear(20, 12), "fc3": nn.Linear(12, 4)}
    return workbench.Model.from_module(nn.Sequential(OrderedDict(layers)), torch.zeros(1, 30), name="small")


@pytest.fixture
def page(small, monkeypatch):
    yield from drawn(small, monkeypatch, None)


def test_what_is_told_ahead_is_what_the_move_is_answered_with(lenets_page):
    page, random = lenets_page, np.random.default_rng(0)
    page.say(kind="hello")
    page.move(
        stops={"sparsity": 37, "bits": 4, "rank": 80},
        methods={"sparsity": "prune.magnitude", "bits": "quantize.kmeans", "rank": "factorize.svd"},
        options={"sparsity": {"scope": "layer"}, "bits": {}, "rank": {}},
        overrides={"fc2": {"bits": 3}},
        device="cortex-m4-l4r5",
    )
    told = {key(one.pop("position")): one for one in page.told()}
    assert len(told) == 1 + 100 + 8 + 99  # where it stands, and along each slider
    for axis in AXES:
        for stop in random.permutation(range(sliders()[axis].low, sliders()[axis].high + 1))[:6]:
            state = page.slide(**{axis: int(stop)})
            assert json.dumps(told[key(state["position"])]) == json.dumps(shown(state))
        page.slide(sparsity=37, bits=4, rank=80)


def test_a_position_is_told_once_and_of_a_line_only_what_is_new(page):
    page.say(kind="hello")
    page.slide(bits=4)
    before = page.told()
    assert len({key(one["position"]) for one in before}) == len(before)
    page.slide(bits=3)
    fresh = page.told()[len(before) :]
    assert set(stops(fresh, "bits")) == {3}
    assert sorted(stops(fresh, "sparsity")) == [*range(1, 101)]  # along bits it was known
    page.slide(bits=4)
    assert page.told()[len(before) :] == fresh


def test_moves_that_come_in_between_lose_nothing(page):
    random = np.random.default_rng(1)
    page.say(kind="hello")
    for stop in random.integers(1, 100, 40):
        page.slide(wait=False, sparsity=int(stop), bits=4)
        time.sleep(float(random.choice([0.0, 0.03, 0.05])))
    page.session.wait(60)
    told = page.told()
    assert len({key(one["position"]) for one in told}) == len(told)
    line = {one["position"]["stops"]["sparsity"] for one in told if one["position"]["stops"]["bits"] == 4}
    assert line == {*range(101)}


def test_the_nearest_positions_come_first(page):
    page.say(kind="hello")
    before = len(page.told())
    page.slide(sparsity=60, bits=4)
    distances = [abs(stop - 60) for stop in stops(page.told()[before:], "sparsity")][:100]
    assert sorted(distances) == distances and len(set(distances)) == 60  # 0 % was known


def test_nothing_is_told_before_there_is_a_page_and_all_of_it_again_to_another(page):
    page.slide(bits=4)
    assert page.told() == []
    page.say(kind="hello")
    first = page.told()
    assert len(first) == 101 + 8
    page.say(kind="hello")
    assert page.told()[len(first) :] == first


def test_a_line_is_short_on_its_way(page):
    page.say(kind="hello")
    page.slide(sparsity=50, bits=4)
    told = page.told()
    sent = sum(len(buffer) for _, buffers in page.messages for buffer in buffers)
    assert len(told) > 100
    assert sent / len(told) < 600  # bytes a position


def test_a_layers_own_slider_is_foreseen_when_it_is_reached(page):
    page.say(kind="hello")
    before = len(page.told())
    page.say(kind="reach", axis="sparsity", layer="fc2")
    found = page.told()[before:]
    assert sorted(stops(found, "sparsity", "fc2")) == [*range(101)]
    assert set(stops(found, "sparsity")) == {0}


def test_ranks_are_foreseen_when_their_slider_is_reached(page):
    page.say(kind="hello")
    before = page.told()
    assert set(stops(before, "rank")) == {100}
    page.say(kind="reach", axis="rank", layer=None)
    assert sorted(stops(page.told()[len(before) :], "rank")) == [*range(1, 100)]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"axis": "speed", "layer": None},
        {"axis": ["bits"]},
        {"axis": "bits", "layer": 7},
        {"axis": "bits", "layer": "fc9"},
    ],
)
def test_a_slider_that_there_is_not_changes_nothing(page, content):
    page.say(kind="hello")
    page.slide(bits=4)
    before = page.told()
    page.say(kind="reach", **content)
    assert page.told() == before
    assert page.panel.state["error"] == ""


def test_costs_are_foreseen_behind_added_steps_and_in_their_order(page):
    random = np.random.default_rng(0)
    page.say(kind="hello")
    steps = [
        "bits",
        {"method": "prune.n-m", "settings": {"pattern": "1:4"}, "on": True},
        "sparsity",
        {"method": "quantize.activations", "settings": {"bits": 4}, "on": False},
        "rank",
    ]
    page.move(steps=steps, stops={"sparsity": 80, "bits": 4, "rank": 100})
    told = {key(one.pop("position")): one for one in page.told()}
    for stop in random.permutation(101)[:6]:
        state = page.slide(sparsity=int(stop))
        assert json.dumps(told[key(state["position"])]) == json.dumps(shown(state))


def test_nothing_is_foreseen_from_a_recipe_that_the_controls_cannot_show(page):
    page.session.recipe = Recipe((Step(METHODS["hashing.projection"](), ("fc1",)),))
    page.session.wait(60)
    page.say(kind="hello")
    assert page.told() == []
    page.slide(bits=3)
    assert len(page.told()) == 101 + 8


def test_another_network_under_the_same_name_makes_what_was_told_void(monkeypatch):
    def own(width: int) -> workbench.Model:
        torch.manual_seed(width)
        module = nn.Sequential(nn.Linear(12, width), nn.ReLU(), nn.Linear(width, 4))
        return workbench.Model.from_module(module, torch.zeros(1, 12), name="own")

    first, second = own(8), own(20)
    session = workbench.Session(first)
    page = Page(session, monkeypatch)
    page.say(kind="hello")
    assert page.told()
    session.model = second
    session.wait(60)
    told = page.told()
    assert len(told) == 101 + 8
    for one in told:
        recipe = Position.read(one.pop("position"), ["own"], [session.device]).recipe()
        assert json.dumps(one) == json.dumps(foreseen(workbench.assess(workbench.compress(second, recipe))))
    page.dashboard.close()
    session.close()


def test_stops_that_a_layer_cannot_have_are_passed_over(monkeypatch):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(16, 4))
    session = workbench.Session(workbench.Model.from_module(module, torch.zeros(1, 4, 4, 4), name="depthwise"))
    page = Page(session, monkeypatch)
    page.say(kind="hello")
    before = len(page.told())
    page.say(kind="reach", axis="rank", layer="0")
    assert stops(page.told()[before:], "rank", "0") == [100]
    page.slide(bits=3)
    assert page.panel.state["recipe"] == "3 bits"
    page.dashboard.close()
    session.close()
