"""What a newcomer is to manage in under a minute: LeNet-5 below 20 kB with at least 98 %."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import picture
from tests.browser.front_ends import PATIENCE, serve
from tests.browser.panel_page import PanelPage, plain

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with serve("voila", tmp_path_factory.mktemp("voila")) as voila:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        voila.open(page)
        PanelPage(page).settle()
        yield page
        page.close()


def set_to(slider: Locator, text: str) -> None:
    """One gesture: the thumb is put near and moved on by keys."""
    slider.focus()
    slider.press("Home" if slider.get_attribute("dir") != "rtl" else "End")
    for _ in range(100):
        if plain(slider.get_attribute("aria-valuetext")) == text:
            return
        slider.press("ArrowRight")
    raise AssertionError(f"there is no stop {text}")


def test_lenet_5_below_20_kb_with_at_least_98_percent(page: Page) -> None:
    panel, clicks = PanelPage(page), 0

    def click(what: Locator) -> None:
        nonlocal clicks
        clicks += 1
        what.click(timeout=PATIENCE)

    panel.root.get_by_label("Network").select_option("lenet-5/mnist")
    panel.settle()
    outcome = panel.root.get_by_role("region", name="Outcome", exact=True)
    click(outcome.get_by_role("heading", name="Outcome"))
    find = outcome.get_by_role("button", name="Find", exact=True)
    expect(find).to_have_attribute("aria-disabled", "true")  # nothing is wished for yet
    for name, text in (("Size at most", "20.0 kB"), ("Accuracy at least", "98 %")):
        set_to(outcome.get_by_role("slider", name=name), text)
        clicks += 1
    click(find)
    expect(outcome.locator(".cwb-found")).to_contain_text("Best so far", timeout=3 * PATIENCE)
    picture(page, "outcome-best-so-far")
    click(outcome.get_by_role("button", name="Put the sliders there"))
    expect(panel.tile("Size")).to_contain_text(re.compile(r"1\d\.\d\skB"), timeout=PATIENCE)
    click(outcome.get_by_role("button", name="Cancel the search"))
    panel.settle()
    picture(page, "outcome-found")
    assert panel.number("Size") <= 20_000 and panel.number("Accuracy") >= 0.98
    assert clicks == 6
    expect(outcome.get_by_role("button", name="Cancel the search")).to_be_hidden()
    panel.root.get_by_role("button", name="Undo").click()
    panel.settle()
    assert panel.number("Size") == panel.original("Size")


def test_a_wish_for_another_network_is_kept_among_its_own_stops(page: Page) -> None:
    panel = PanelPage(page)
    outcome = panel.root.get_by_role("region", name="Outcome", exact=True)
    panel.root.get_by_label("Network").select_option("resnet-8/fashion-mnist")
    panel.settle()
    size = outcome.get_by_role("slider", name="Size at most")
    assert plain(size.get_attribute("aria-valuetext")) == "20.0 kB"
    assert plain(outcome.get_by_role("slider", name="Accuracy at least").get_attribute("aria-valuetext")) == "98 %"
    expect(outcome.locator(".cwb-found")).to_be_hidden()  # that was of another network
