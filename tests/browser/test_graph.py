"""The graph with Netron on both files, two years from now by the browser's clock, and the roofline, in Voila."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import PATIENCE, serve
from tests.browser.panel_page import PanelPage


@pytest.fixture(scope="module")
def panel(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelPage]:
    """LeNet-5 at 60 % zeros and 4 bits."""
    with serve("voila", tmp_path_factory.mktemp("voila")) as voila:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        traffic = Traffic(page)
        voila.open(page)
        panel = PanelPage(page)
        panel.root.get_by_label("Network", exact=True).select_option("lenet-5/mnist")
        panel.slider("Sparsity").fill("60")
        panel.slider("Bits").fill("4")
        panel.settle()
        yield panel
        assert traffic.left_the_machine() == []
        assert traffic.errors == []
        page.close()


def chosen(page: Page) -> str:
    return page.locator('.cwb-box[aria-selected="true"]').get_attribute("data-layer")


def test_layers_are_chosen_by_pointer_and_keyboard(panel):
    page = panel.page
    panel.show("Graph")
    expect(page.locator(".cwb-box")).to_have_count(4, timeout=PATIENCE)
    layer = page.get_by_role("option", name="conv1")
    layer.click()
    expect(page.locator(".cwb-chosen h4")).to_have_text("conv1")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".cwb-chosen h4")).to_have_text("conv2")
    page.keyboard.press("End")
    expect(page.locator(".cwb-chosen h4")).to_have_text(page.locator(".cwb-box").last.get_attribute("data-layer"))
    expect(page.locator(".cwb-box").last).to_be_in_viewport()  # its frame has scrolled there
    expect(page.locator(".cwb-graph-facts")).to_contain_text("Non-zero")
    picture(page, "graph-lenet")


def test_boxes_are_coloured_by_any_figure_and_listed_in_words(panel):
    page = panel.page
    panel.show("Graph")
    colour = page.get_by_label("Colour", exact=True)
    before = page.locator(".cwb-box text").nth(1).text_content()
    colour.select_option("zeros")
    expect(page.locator(".cwb-graph-legend")).to_contain_text("100.0")
    assert page.locator(".cwb-box text").nth(1).text_content() != before
    page.get_by_text("As a list").click()
    items = page.locator(".cwb-graph-list li")
    expect(items.first).to_have_text(re.compile("^Input, gives 1×28×28"))
    assert len(items.all()) == len(page.locator(".cwb-box, .cwb-operation").all())
    page.get_by_text("As a list").click()
    colour.select_option("bytes")


def test_the_graph_grows_and_fits(panel):
    page = panel.page
    panel.show("Graph")
    canvas = page.locator(".cwb-graph-frame svg")
    wide = canvas.bounding_box()["width"]
    page.get_by_role("button", name="Larger", exact=True).click()
    assert canvas.bounding_box()["width"] == pytest.approx(1.25 * wide, abs=2)
    page.get_by_role("button", name="Fit the graph into its frame").click()
    assert canvas.bounding_box()["width"] <= page.locator(".cwb-graph-frame").bounding_box()["width"]


def test_netron_opens_both_files_offline_and_for_good(panel):
    page = panel.page
    panel.show("Graph")
    assert page.locator("iframe").count() == 0  # nothing of it before it is asked for
    page.clock.set_fixed_time(datetime.now() + timedelta(days=730))
    page.get_by_role("button", name="Open in Netron").click()
    for label, operator in (("original", "Conv"), ("compressed", "DequantizeLinear")):
        frame = page.frame_locator(f'iframe[title="Netron: {label}"]')
        expect(frame.locator("#target").get_by_text(operator, exact=True).first).to_be_attached(timeout=PATIENCE)
        expect(frame.locator("body")).not_to_have_class(re.compile("notification|alert|spinner"))
    picture(page, "graph-netron")
    addresses = [frame.url for frame in page.frames if "/netron/" in frame.url]
    assert len(set(addresses)) == 2
    answers = [page.request.get(f"{address}data/model.onnx") for address in addresses]
    assert [answer.status for answer in answers] == [200, 200] and answers[0].body() != answers[1].body()
    for bad in ("../../../../etc/passwd", "%2e%2e/%2e%2e/data/model.onnx", "server.py", "data/other.onnx"):
        assert page.request.get(addresses[0] + bad).status == 404
    other = addresses[0].replace(addresses[0].split("/")[-2], "A" * 43)
    assert page.request.get(f"{other}data/model.onnx").status == 404
    page.get_by_role("button", name="Close Netron").click()
    expect(page.locator("iframe")).to_have_count(0)


def test_each_layer_lies_under_the_roof_once_it_is_measured(panel):
    page = panel.page
    panel.show("Speed")
    expect(page.locator(".cwb-roofline")).to_be_hidden()
    page.get_by_role("button", name="Measure latency").click()
    expect(page.locator(".cwb-mark-packed")).to_have_count(4, timeout=PATIENCE)
    expect(page.locator(".cwb-mark-dense")).to_have_count(4)
    expect(page.locator(".cwb-roof")).to_have_count(2)
    expect(page.locator(".cwb-side-time")).to_have_text([re.compile("[mµ]s$")] * 2)
    page.get_by_text("The layers as a table").click()
    expect(page.locator(".cwb-roofline tbody tr")).to_have_count(4)
    picture(page, "speed-lenet")
    panel.slider("Bits").fill("5")
    panel.settle()
    expect(page.locator(".cwb-roofline")).to_be_hidden()
