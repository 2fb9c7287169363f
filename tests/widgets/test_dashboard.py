"""The dashboard without a browser: a real session, real moves, and what the page would be told."""

import copy
import re
import time

import pytest
import torch

import workbench
from tests.widgets.reports import IMAGES
from widgets import Dashboard
from widgets.dashboards.dashboard import ASKS
from widgets.views.numbers import NBSP
from workbench.kernels.compiler import watch
from workbench.method import METHODS
from workbench.recipe import Step

FOREIGN = workbench.Recipe((Step(METHODS["quantize.activations"](), ("fc1",)),))  # of one layer only


WANTED = dict.fromkeys(ASKS, 0)  # what a page that asks for nothing says


class Page:
    """Stands where a browser stands: writes moves as they travel, reads the last state."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard, self.panel, self.session = dashboard, dashboard.panel, dashboard.session
        self.files: list[tuple[str, bytes]] = []
        self.panel.offer = lambda name, content: self.files.append((name, content))
        self.seq = 0

    @property
    def state(self) -> dict:
        return self.panel.state

    def move(self, edit=lambda position: None, **wanted: int) -> None:
        position = copy.deepcopy(self.state["position"])
        edit(position)
        self.seq += 1
        self.write({"seq": self.seq, "position": position, **WANTED, **wanted})

    def write(self, content) -> None:
        self.panel.set_state({"move": content})

    def settled(self) -> dict:
        self.session.wait(60)
        return self.state

    def tile(self, key: str) -> dict:
        return next(tile for tile in self.state["tiles"] if tile["key"] == key)


def slide(**stops: int):
    return lambda position: position["stops"].update(stops)


@pytest.fixture
def page(lenet):
    session = workbench.Session(lenet, images=IMAGES)
    dashboard = Dashboard(session)
    session.wait(60)
    yield Page(dashboard)
    dashboard.close()
    session.close()


def test_the_page_opens_on_the_untouched_network(page):
    assert page.state["recipe"] == "no compression"
    assert page.state["stage"] == "exact"
    assert page.state["fresh"]
    assert page.state["position"]["stops"] == {"sparsity": 0, "bits": 9, "rank": 100}


def test_a_move_ends_in_what_assess_says_of_the_same_recipe(page, squeezed):
    page.move(slide(sparsity=50, bits=4))
    state = page.settled()
    assert (state["seq"], state["stage"], state["progress"]) == (1, "exact", 1.0)
    assert page.tile("size")["details"][0] == f"{squeezed.compressed.size.value:,}{NBSP}bytes"
    assert page.tile("accuracy")["value"] == f"{100 * squeezed.compressed.accuracy.value:.2f}{NBSP}%"


def test_the_costs_come_before_the_accuracy_and_name_no_accuracy_of_another_recipe(page):
    seen = []
    page.panel.observe(lambda change: seen.append(change.new), "state")
    page.move(slide(sparsity=30))
    page.settled()
    first = next(state for state in seen if state["seq"] == 1 and state["fresh"])
    assert first["stage"] == "costs"
    assert first["tiles"][0]["value"] is None
    assert first["tiles"][1]["value"] is not None


def test_an_overtaken_move_is_dropped(page):
    page.move(slide(sparsity=60))
    old = {"seq": 1, "position": copy.deepcopy(page.state["position"]), **WANTED}
    old["position"]["stops"]["sparsity"] = 10
    page.write(old)
    assert page.settled()["position"]["stops"]["sparsity"] == 60


def test_figures_are_fresh_only_when_they_are_the_newest_moves(page):
    seen = []
    page.panel.observe(lambda change: seen.append(change.new), "state")
    for sparsity in range(20, 60, 5):
        page.move(slide(sparsity=sparsity))
    page.settled()
    for state in seen:
        if state["fresh"]:
            assert state["recipe"] == f"sparsity {state['position']['stops']['sparsity']}{NBSP}%"
        if state["answered"]:  # says whose figures are shown, newest or not
            assert state["recipe"] == f"sparsity {15 + 5 * state['answered']}{NBSP}%"
        assert state["fresh"] == (state["answered"] == state["seq"])
    assert (seen[-1]["seq"], seen[-1]["fresh"]) == (page.seq, True)


def test_of_an_accuracy_that_narrows_the_page_is_told_no_more_often_than_it_can_draw(lenet, monkeypatch):
    monkeypatch.setattr("widgets.dashboards.dashboard._PROGRESS_EVERY", float("inf"))
    session = workbench.Session(lenet)
    page = Page(Dashboard(session))
    session.wait(60)
    seen = []
    page.panel.observe(lambda change: seen.append(change.new), "state")
    page.move(slide(sparsity=30, bits=3))
    page.settled()
    assert [state["stage"] for state in seen if state["answered"]] == ["costs", "accuracy", "exact"]
    session.close()


def test_a_move_made_before_the_first_figures_are_there_is_heard(lenet):
    session = workbench.Session(lenet, images=IMAGES)
    dashboard = Dashboard(session)
    try:
        page = Page(dashboard)
        page.seq = page.state["seq"]
        page.move(slide(bits=3))
        assert page.settled()["recipe"] == "3 bits"
    finally:
        dashboard.close()
        session.close()


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        {"seq": 1},
        {"seq": "1", "position": {}, **WANTED},
        {"seq": -1, "position": {}, **WANTED},
        {"seq": 2**80, "position": {}, **WANTED},
        {"seq": 1, "position": {}, **WANTED, "cancel": True},
        {"seq": 1, "position": {}, "cancel": 0, "export": 0},
        {"seq": 1, "position": {}, **WANTED, "latency": "soon"},
        {"seq": 1, "position": {"model": "x"}, **WANTED},
    ],
)
def test_a_hostile_message_becomes_a_sentence_and_the_session_goes_on(page, content):
    before = page.state["position"]
    page.write(content)
    assert page.state["error"].endswith(".")
    assert page.state["position"] == before
    page.seq = 1
    page.move(slide(bits=5))
    state = page.settled()
    assert (state["error"], state["recipe"]) == ("", "5 bits")


def test_a_refused_move_leaves_the_controls_where_they_were_and_is_answered(page):
    page.move(slide(sparsity=20))
    page.settled()
    page.move(slide(sparsity=400))
    assert page.state["seq"] == 2
    assert page.state["fresh"]
    assert "sparsity slider" in page.state["error"]
    assert page.state["position"]["stops"]["sparsity"] == 20


def test_a_layer_of_another_network_is_refused_by_name(page):
    page.move(lambda position: position["overrides"].update(conv9={"bits": 3}))
    assert "conv9" in page.state["error"]


def test_an_override_reaches_its_layer_alone(page):
    page.move(lambda position: position["overrides"].update(fc1={"bits": 3}))
    bits = {row["name"]: row["bits"] for row in page.settled()["layers"]}
    assert bits == {"fc1": "3", "fc2": "32 (float)", "fc3": "32 (float)"}


def test_another_network_can_be_chosen(page):
    page.move(lambda position: position.update(model="lenet-5/mnist"))
    state = page.settled()
    assert [row["name"] for row in state["layers"]] == ["conv1", "conv2", "fc1", "fc2"]
    assert page.session.model.name == "lenet-5/mnist"


def test_another_device_changes_the_energy_alone(page):
    energy, size = page.tile("energy")["value"], page.tile("size")["value"]
    page.move(lambda position: position.update(device="cortex-m4-l4r5"))
    page.settled()
    assert page.tile("energy")["value"] != energy
    assert page.tile("size")["value"] == size


def test_the_exported_file_is_as_long_as_the_tile_says(page):
    page.move(slide(sparsity=70, bits=3))
    page.settled()
    page.move(export=page.seq + 1)
    deadline = time.monotonic() + 60
    while not page.files and time.monotonic() < deadline:
        time.sleep(0.02)
    ((name, content),) = page.files
    assert name.startswith("lenet-300-100-mnist-")
    assert name.endswith(".cwb")
    assert page.tile("size")["details"][0] == f"{len(content):,}{NBSP}bytes"


def test_that_kernels_are_compiled_is_said(page):
    seen = []
    page.panel.observe(lambda change: seen.append(change.new["preparing"]), "state")
    watch.begun("workbench.kernels.sparse.stream")
    ready = watch._ready
    deadline = time.monotonic() + 60
    while not any(seen) and time.monotonic() < deadline:
        time.sleep(0.02)
    watch.ended()
    while (not seen or seen[-1]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert f"Preparing kernels, once on this machine: {ready} ready" in seen and seen[-1] == ""


def test_latency_is_measured_when_asked_and_goes_with_its_recipe(page):
    assert page.state["latency"] is None and not page.state["timing"]
    page.move(slide(bits=4))
    page.settled()
    seen = []
    page.panel.observe(lambda change: seen.append(change.new), "state")
    page.move(latency=page.seq + 1)
    state = page.settled()
    assert all(one["fresh"] for one in seen)
    assert [one["timing"] for one in seen] == [True] * (len(seen) - 1) + [False]
    assert seen[-2]["status"] == "Measuring latency…"
    assert state["latency"]["badge"] == "measured"
    assert [side["label"] for side in state["latency"]["sides"]] == ["dense torch", "packed"]
    assert all(row["latency"] and row["dense_latency"] for row in state["layers"])
    assert "latency" in state["spoken"]
    page.move(slide(bits=5))
    state = page.settled()
    assert state["latency"] is None
    assert not any(row["latency"] for row in state["layers"])


def test_a_message_that_repeats_what_it_asked_for_measures_once(page):
    page.move(latency=1)
    page.settled()
    known = page.state["latency"]
    page.move(latency=1)
    page.settled()
    assert page.state["latency"] == known


def test_measuring_a_recipe_that_the_controls_cannot_show_keeps_it(page):
    page.session.recipe = FOREIGN
    page.settled()
    page.move(latency=page.seq + 1)
    assert page.settled()["latency"] is not None
    assert page.session.recipe == FOREIGN


def test_a_recipe_set_in_python_moves_the_sliders(page):
    page.session.recipe = workbench.Recipe.sliders(sparsity=0.3, bits=2)
    assert page.settled()["position"]["stops"] == {"sparsity": 30, "bits": 2, "rank": 100}
    assert page.state["fresh"]


def test_a_recipe_that_the_controls_cannot_show_is_said_to_be_one(page):
    page.session.recipe = FOREIGN
    assert "set in Python" in page.settled()["foreign"]
    page.move()
    assert page.settled()["foreign"] == ""
    assert page.state["recipe"] == "no compression"


def test_an_added_step_ends_in_what_assess_says_of_the_same_recipe(page, lenet):
    steps = [*page.state["position"]["steps"], {"method": "quantize.activations", "settings": {"bits": 4}, "on": True}]
    page.move(lambda position: position.update(steps=steps))
    state = page.settled()
    activations = METHODS["quantize.activations"](bits=4)
    report = workbench.assess(workbench.compress(lenet, workbench.Recipe((Step(activations),))), images=IMAGES)
    assert state["recipe"] == "Quantisation of activations (bits 4)"
    assert page.tile("accuracy")["value"] == f"{100 * report.compressed.accuracy.value:.2f}{NBSP}%"
    page.move(lambda position: position["steps"][-1].update(on=False))
    assert page.settled()["recipe"] == "no compression"


def test_the_order_of_the_steps_is_that_of_the_recipe(page):
    page.move(slide(sparsity=50, bits=4))
    page.settled()
    page.move(lambda position: position.update(steps=["bits", "rank", "sparsity"]))
    page.settled()
    assert [step["method"] for step in page.session.recipe.to_object()["steps"]] == [
        "quantize.uniform",
        "prune.magnitude",
    ]


def test_controls_that_are_off_stay_where_they_are_when_the_same_recipe_comes_again(page):
    off = {"method": "prune.n-m", "settings": {}, "on": False}
    page.move(lambda position: position.update(steps=["bits", off, "rank", "sparsity"]))
    before = page.settled()["position"]
    page.session.update()  # as at the end of a training
    assert page.settled()["position"] == before


def test_a_step_is_trained_beside_live_sliders_and_another_page_finds_and_ends_it(lenet, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path))
    session = workbench.Session(lenet, images=IMAGES)
    page = Page(Dashboard(session))
    step = {"method": "prune.retrained-magnitude", "settings": {"rounds": 1, "epochs": 50}, "on": True}
    page.move(lambda position: position["steps"].append(step))
    preview = page.settled()
    assert preview["previews"] == ["Magnitude pruning with retraining"] and preview["training"] is None
    before = page.tile("accuracy")["value"]
    page.move(train=page.seq + 1)
    assert page.state["training"]["figures"] == "begins"
    page.move(slide(bits=4))  # sliders stay live
    assert page.settled()["recipe"].startswith("4 bits")
    page.move(slide(bits=9))
    wait_for(lambda: re.match(r"loss .*, validation .*, .* left", page.state["training"]["figures"]))

    other = workbench.Session(lenet, images=IMAGES)
    again = Page(Dashboard(other))  # as after a reload of the page, which has a kernel of its own
    again.panel._handle_custom_msg({"kind": "hello"}, [])
    assert again.state["training"]["title"] == "Magnitude pruning with retraining"
    assert again.settled()["recipe"] == "no compression"
    again.move(follow=1)
    again.settled()
    assert other.recipe == session.recipe
    assert again.state["position"]["steps"] == page.state["position"]["steps"]

    again.move(stop=2)
    assert again.state["training"]["figures"] == "ends with the best so far"
    for one in (page, again):
        wait_for(lambda one=one: one.state["training"] is None)
        wait_for(lambda one=one: one.state["previews"] == ["Magnitude pruning with retraining (stopped early)"])
        one.settled()
        assert float(one.tile("accuracy")["value"].split(NBSP)[0]) > float(before.split(NBSP)[0])
        assert one.state["error"] == ""
        one.dashboard.close()
        one.session.close()


def test_what_cannot_be_trained_is_a_sentence(own, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path))
    session = workbench.Session(own)
    page = Page(Dashboard(session))
    step = {"method": "prune.retrained-magnitude", "settings": {}, "on": True}
    page.move(lambda position: position["steps"].append(step))
    page.settled()
    page.move(train=page.seq + 1)
    wait_for(lambda: page.state["error"])
    assert "own has no data set" in page.state["error"]
    assert page.state["training"] is None
    page.dashboard.close()
    session.close()


def test_a_training_that_is_refused_is_not_shown_to_run(own, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path))
    script = type("Own", (torch.nn.Sequential,), {"__module__": "__main__"})(*copy.deepcopy(own.module).children())
    example = torch.zeros(1, *own.input_shape)
    session = workbench.Session(workbench.Model.from_module(script, example, name="own"))
    page = Page(Dashboard(session))
    step = {"method": "prune.retrained-magnitude", "settings": {}, "on": True}
    page.move(lambda position: position["steps"].append(step))
    page.settled()
    page.move(train=page.seq + 1)
    assert "Class Own of own is defined in a notebook" in page.state["error"]
    assert page.state["training"] is None
    page.dashboard.close()
    session.close()


def wait_for(holds, seconds=240):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holds()


def test_cancel_keeps_what_is_known(lenet):
    session = workbench.Session(lenet)
    dashboard = Dashboard(session)
    try:
        page = Page(dashboard)
        page.move(slide(sparsity=40, rank=50), cancel=1)
        state = page.settled()
        assert state["stage"] in ("cancelled", "exact")  # exact where the images were faster
        assert state["seq"] == 1
        page.move(slide(sparsity=10))
        assert page.settled()["stage"] == "exact"
    finally:
        dashboard.close()
        session.close()


def test_a_users_own_network_is_offered_and_needs_no_images(own):
    session = workbench.Session(own)
    dashboard = Dashboard(session)
    try:
        page = Page(dashboard)
        assert page.panel.catalogue["models"][0]["name"] == "own"
        page.move(slide(bits=3))
        state = page.settled()
        assert (state["stage"], state["fresh"]) == ("exact", True)
        assert "No test images" in page.tile("accuracy")["note"]
    finally:
        dashboard.close()
        session.close()


def test_a_closed_dashboard_leaves_the_session_alone(lenet):
    session = workbench.Session(lenet, images=IMAGES)
    dashboard = Dashboard(session)
    dashboard.close()
    session.recipe = workbench.Recipe.sliders(bits=4)
    session.wait(60)
    assert session.report.recipe["digest"] == workbench.Recipe.sliders(bits=4).digest
    session.close()


def test_it_can_be_displayed(page, monkeypatch):
    shown = []
    monkeypatch.setattr("widgets.dashboards.dashboard.display", shown.append)
    page.dashboard._ipython_display_()
    assert shown == [page.panel]


def test_a_recipe_that_fails_in_the_engine_is_a_sentence_and_shows_no_figure_as_its_own():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, groups=4), torch.nn.Flatten(), torch.nn.Linear(16, 4))
    session = workbench.Session(workbench.Model.from_module(module, torch.zeros(1, 4, 4, 4), name="depthwise"))
    dashboard = Dashboard(session)
    try:
        page = Page(dashboard)
        session.wait(60)
        page.move(lambda position: position["overrides"].update({"0": {"rank": 50}}))
        with pytest.raises(workbench.WorkbenchError):
            session.wait(60)
        assert page.state["stage"] == "error"
        assert "layer '0'" in page.state["error"]
        assert not page.state["fresh"]
        page.move(lambda position: position["overrides"].clear())
        state = page.settled()
        assert (state["error"], state["fresh"]) == ("", True)
    finally:
        dashboard.close()
        session.close()
