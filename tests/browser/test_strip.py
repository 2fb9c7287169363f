"""The strip of all layers: each bar is a control, by pointer and by keyboard, and the figures above follow it."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Locator, expect

import workbench
from benchmarks import servers
from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import PATIENCE, ROOT
from tests.browser.panel_page import PanelPage, plain
from workbench.report.report import Report

DEEP = """
import torch, workbench
from torch import nn
from widgets import Dashboard
torch.manual_seed(0)
blocks = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()) for _ in range(58)]
module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *blocks, nn.Flatten(), nn.Linear(4 * 36, 4))
images = torch.rand(80, 1, 6, 6)
data = workbench.Dataset.of((images, torch.arange(80) % 4))
Dashboard(workbench.Session(workbench.Model.from_module(module, images[:1], data, "deep")))
"""
LENET = "lenet-5/mnist"


class Strip(PanelPage):
    """The page with its strip."""

    @property
    def strip(self) -> Locator:
        return self.root.get_by_role("region", name="All layers", exact=True)

    def bar(self, layer: str, axis: str = "Sparsity") -> Locator:
        return self.slider(f"{layer}: {axis}")

    def says(self, layer: str, axis: str = "Sparsity") -> str:
        return self.bar(layer, axis).get_attribute("aria-valuetext")

    def drag(self, layer: str, share: float) -> None:
        """Pull a bar up by a share of its height, down for a negative one."""
        box = self.bar(layer).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x, y - share * box["height"], steps=8)
        self.page.mouse.up()

    def line(self) -> str:
        return self.strip.locator(".cwb-strip-line").inner_text()

    def start(self, network: str) -> None:
        self.root.get_by_role("button", name="Reset", exact=True).click()
        self.root.get_by_label("Network").select_option(network)
        self.page.mouse.move(0, 0)
        self.settle()


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strip]:
    folder = tmp_path_factory.mktemp("strip")
    content = json.loads((ROOT / "notebooks" / "dashboard.ipynb").read_text())
    content["cells"][0]["source"] = DEEP
    (folder / "deep.ipynb").write_text(json.dumps(content))
    with servers.serving("voila", folder, ["--notebook", "deep.ipynb"]) as voila:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        traffic = Traffic(page)
        page.goto(voila.address)
        page.locator(".cwb").wait_for()
        strip = Strip(page)
        strip.settle()
        yield strip
        assert traffic.errors == []
        assert traffic.left_the_machine() == []
        page.close()


@pytest.fixture
def lenet(page: Strip) -> Strip:
    page.start(LENET)
    page.type_into_slider("Sparsity", *["PageUp"] * 7)
    page.settle()
    return page


def reported(**sliders: object) -> Report:
    return workbench.assess(workbench.compress(workbench.load(LENET), workbench.Recipe.sliders(**sliders)))


def assert_tiles_say(page: Strip, report: Report) -> None:
    assert page.details("Size")[0] == f"{report.compressed.size.value:,} bytes"
    assert page.number("Accuracy") == pytest.approx(report.compressed.accuracy.value, abs=5e-5)


def test_sixty_layers_are_all_in_view_and_each_tells_of_itself(page: Strip) -> None:
    bars = page.strip.get_by_role("slider")
    expect(bars).to_have_count(60)
    frame = page.strip.bounding_box()
    boxes = [bar.bounding_box() for bar in bars.all()]
    assert all(left["x"] + left["width"] <= right["x"] for left, right in pairwise(boxes))
    assert frame["x"] < boxes[0]["x"] and boxes[-1]["x"] + boxes[-1]["width"] < frame["x"] + frame["width"]
    assert boxes[0]["width"] >= 10
    assert frame["y"] + frame["height"] < 420  # below it the stage is in view, too
    bars.nth(3).hover()
    assert re.match(r"3\.0 0 %, as the slider · .*bytes.*MACs", page.line())
    page.page.mouse.move(0, 0)
    page.bar("10.0").focus()
    page.page.keyboard.press("PageUp")
    page.settle()
    picture(page.page, "voila-strip-60-layers")
    assert [bar.get_attribute("aria-label") for bar in page.strip.locator(".cwb-own [role=slider]").all()] == [
        "10.0: Sparsity"
    ]


def test_dragging_a_bar_gives_its_layer_a_value_and_moves_no_other(lenet: Strip) -> None:
    others = [lenet.says(layer) for layer in ("conv1", "conv2", "fc2")]
    assert others == ["70 %, as the slider"] * 3
    lenet.drag("fc1", 0.25)
    own = re.fullmatch(r"(\d+) %, its own value", lenet.says("fc1"))
    assert own and 90 < int(own[1]) < 100
    lenet.settle()
    assert_tiles_say(lenet, reported(sparsity=0.7, overrides={"fc1": {"sparsity": int(own[1]) / 100}}))
    assert [lenet.says(layer) for layer in ("conv1", "conv2", "fc2")] == others
    expect(lenet.strip.locator(".cwb-strip-whole")).to_contain_text("zeros")
    picture(lenet.page, "voila-strip")
    lenet.root.get_by_role("button", name="Undo", exact=True).click()  # a drag is one gesture
    assert lenet.says("fc1") == "70 %, as the slider"
    lenet.settle()
    assert_tiles_say(lenet, reported(sparsity=0.7))


def test_a_bar_moved_by_keys_says_where_it_stands_and_follows_again(lenet: Strip) -> None:
    bar, press = lenet.bar("conv2"), lenet.page.keyboard.press
    bar.focus()
    said = []
    for key in ("ArrowUp", "PageDown", "End", "Home", "ArrowUp", "Delete"):
        press(key)
        said.append(lenet.says("conv2").split(",")[0])
    assert said == ["71 %", "61 %", "100 %", "0 %", "1 %", "70 %"]
    assert lenet.says("conv2") == "70 %, as the slider"
    facts = {name: bar.get_attribute(f"aria-{name}") for name in ("valuemin", "valuemax", "valuenow", "orientation")}
    assert facts == {"valuemin": "0", "valuemax": "100", "valuenow": "70", "orientation": "vertical"}
    press("ArrowRight")
    expect(lenet.bar("fc1")).to_be_focused()
    assert lenet.line().startswith("fc1 70 %, as the slider")
    tab_stops = [one.get_attribute("tabindex") for one in lenet.strip.get_by_role("slider").all()]
    assert tab_stops == ["-1", "-1", "0", "-1"]


def test_bars_that_are_selected_move_together(lenet: Strip) -> None:
    lenet.bar("conv1").click()
    lenet.bar("fc2").click(modifiers=["Shift"])
    lenet.drag("fc2", -0.5)
    own = lenet.says("fc2")
    assert own.endswith("its own value, selected") and lenet.says("conv1") == own
    assert lenet.says("fc1") == "70 %, as the slider"
    share = int(own.split()[0]) / 100
    lenet.settle()
    assert_tiles_say(lenet, reported(sparsity=0.7, overrides={name: {"sparsity": share} for name in ("conv1", "fc2")}))
    lenet.page.keyboard.press("Escape")
    assert lenet.says("conv1") == own.removesuffix(", selected")
    lenet.bar("conv1").focus()
    lenet.page.keyboard.press("Shift+ArrowRight")
    lenet.page.keyboard.press("Home")
    assert [lenet.says(name) for name in ("conv1", "conv2")] == ["0 %, its own value, selected"] * 2
    lenet.page.keyboard.press("Escape")
    lenet.strip.get_by_role("button", name="All follow the slider").click()
    assert {lenet.says(name) for name in ("conv1", "conv2", "fc1", "fc2")} == {"70 %, as the slider"}


def test_a_double_click_lets_a_bar_follow_again_and_what_a_slider_spares_is_said(lenet: Strip) -> None:
    lenet.drag("conv1", -0.4)
    assert lenet.says("conv1").endswith("its own value")
    lenet.bar("conv1").dblclick()
    assert lenet.says("conv1") == "70 %, as the slider"
    lenet.strip.get_by_role("radio", name="Rank").check()
    assert lenet.says("fc2", "Rank").startswith("left alone: it gives the class scores")
    assert lenet.says("fc1", "Rank") == "100 %, as the slider"
    lenet.strip.get_by_role("radio", name="Sparsity").check()


FIRST_MOVE = """(bar) => {
    const { dataset } = bar.closest(".cwb");
    bar.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true, cancelable: true }));
    return [Number(dataset.asked), Number(dataset.costs)];
}"""


def test_costs_of_a_bar_that_was_come_to_are_there_in_the_event_that_moves_it(lenet: Strip) -> None:
    lenet.bar("fc1").focus()
    lenet.foreseen()
    asked, costs = lenet.bar("fc1").evaluate(FIRST_MOVE)
    assert costs == asked


def test_below_the_bars_are_shares_of_the_original(lenet: Strip) -> None:
    glance = lenet.strip.locator('[data-layer="fc1"] .cwb-strip-glance span')
    heights = {}
    for shown in ("Bytes", "Operations", "Energy"):
        lenet.strip.get_by_label("Below the bars").select_option(label=shown)
        was, now = (glance.nth(place).bounding_box()["height"] for place in (0, 1))
        assert now < was
        heights[shown] = was
    assert heights["Bytes"] == heights["Energy"] > 3 * heights["Operations"]
    lenet.strip.get_by_label("Below the bars").select_option(label="Bytes")


def test_what_each_layer_minds_is_measured_on_request_and_drawn_where_it_is_pulled(lenet: Strip) -> None:
    lenet.strip.get_by_role("button", name="Measure sensitivity").click()
    expect(lenet.strip.get_by_role("button", name="Sensitivity measured")).to_be_visible(timeout=PATIENCE)
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        assert re.search(r"slider, (loses .* points|no clear change) at \d+ %$", plain(lenet.says(layer)))
        assert lenet.strip.locator(f'[data-layer="{layer}"] .cwb-strip-marks span').count() == 4
    assert "loses" in lenet.says("conv1")
    lenet.page.mouse.move(0, 0)
    lenet.root.get_by_label("Network").focus()
    assert re.match(r"Most sensitive: conv1, loses .* validation images$", lenet.line())
    picture(lenet.page, "voila-strip-sensitivity")
    lenet.show("Layers")
    assert lenet.root.locator(".cwb-curve circle").count() == 4 * 4
    deepest = {
        layer: max(float(dot.get_attribute("cy")) for dot in lenet.root.locator(f'[data-layer="{layer}"] circle').all())
        for layer in ("conv1", "conv2", "fc1", "fc2")
    }
    assert max(deepest, key=deepest.get) == "conv1"
    picture(lenet.page, "voila-curves")
    lenet.strip.get_by_role("radio", name="Bits").check()  # what was begun is gone on with along another axis
    expect(lenet.strip.get_by_role("button", name=re.compile("Stop measuring|Sensitivity measured"))).to_be_visible()
    lenet.strip.get_by_role("radio", name="Sparsity").check()
    expect(lenet.strip.get_by_role("button", name="Sensitivity measured")).to_be_visible(timeout=PATIENCE)
    lenet.strip.get_by_label("Below the bars").select_option(label="Bytes")
