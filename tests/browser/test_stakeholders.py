"""The page for people who decide under Voila, and the page that needs no kernel from its file, without a network."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

import workbench
from benchmarks import servers
from benchmarks.startup import kernel
from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import PATIENCE
from tests.browser.panel_page import plain
from widgets.documents.content import Circumstances
from widgets.documents.offline import Stops, write
from workbench.search.choices import RULES, Choice
from workbench.search.shipped import shipped
from workbench.search.sweep import sweep

pytestmark = pytest.mark.browser
LENET = "lenet-5/mnist"
STOPS = Stops(sparsity=(0.0, 0.3, 0.6, 0.8, 0.9), bits=(32, 8, 4, 3), rank=(1.0, 0.5))
IMAGES = 300
_SETTLED = """() => {
    const { dataset } = document.querySelector(".cwb");
    return dataset.stage === "exact" && dataset.current === "true";
}"""


@pytest.fixture(scope="module")
def opened(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, Traffic, servers.Server]]:
    with servers.serving("voila", tmp_path_factory.mktemp("voila"), ["--for", "stakeholders"]) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light", accept_downloads=True)
        page.set_default_timeout(PATIENCE)
        traffic = Traffic(page)
        page.goto(server.address)
        page.locator(".cwb").wait_for()
        settle(page)
        yield page, traffic, server
        page.close()


@pytest.fixture
def page(opened: tuple[Page, Traffic, servers.Server], request: pytest.FixtureRequest) -> Iterator[Page]:
    page, traffic, _ = opened
    yield page
    picture(page, f"stakeholders-{re.sub(r'[^a-z0-9]+', '-', request.node.name)}")
    assert traffic.left_the_machine() == []
    assert traffic.errors == []


def settle(page: Page) -> None:
    page.wait_for_function(_SETTLED, timeout=PATIENCE)


def chosen(page: Page, title: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^{title}"))


def grave(page: Page) -> list[str]:
    """Serious findings of axe-core."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def figure(page: Page, key: str) -> str:
    return plain(page.locator(f'.cwb-plain-figure[data-key="{key}"]').inner_text())


def assert_figures_are(page: Page, recipe: workbench.Recipe, images: int | None, model: str = LENET) -> None:
    now = workbench.assess(workbench.compress(workbench.load(model), recipe), images=images).compressed
    assert f"{int(now.size.value):,} bytes" in figure(page, "size")
    assert f"{1000 * (1 - now.accuracy.value):.1f} in 1,000" in figure(page, "wrong")


def test_a_choice_moves_the_sliders_and_is_really_measured(page: Page) -> None:
    choice = next(one for one in shipped(workbench.load(LENET)) if one.rule.name == "smallest")
    chosen(page, "Smallest").click()
    settle(page)
    assert chosen(page, "Smallest").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("slider", name="Rank").get_attribute("aria-valuetext") == "25 %"
    assert_figures_are(page, choice.recipe, None)


def test_everything_that_matters_is_seen_at_once(page: Page) -> None:
    for part in (".cwb-choices", ".cwb-stops", ".cwb-plain-figures", ".cwb-verdict"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 800, part


def test_sliders_by_keyboard_and_goals(page: Page) -> None:
    chosen(page, "Careful").click()
    slider = page.get_by_role("slider", name="Bits")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert slider.get_attribute("aria-valuetext") == "4 bits"
    assert_figures_are(page, workbench.Recipe.sliders(sparsity=0.65, bits=4), None)
    goal = page.get_by_role("spinbutton", name="File size")
    goal.fill("1000")
    goal.press("Enter")
    expect(page.locator('.cwb-verdict [data-key="size"]')).to_have_attribute("data-met", "meets")
    goal.fill("20")
    goal.press("Enter")
    expect(page.locator('.cwb-verdict [data-key="size"]')).to_contain_text("misses by")
    expect(page.locator(".cwb-verdict-summary")).to_contain_text("Misses")
    goal.fill("100")
    goal.press("Enter")


def test_assumptions_are_on_show_and_open_to_change(page: Page) -> None:
    settle(page)
    before = figure(page, "life")
    page.get_by_label("Battery", exact=True).select_option("phone")
    expect(page.locator(".cwb-assumptions")).to_contain_text("15.4")
    expect(page.locator(".cwb-assumptions")).to_contain_text("4,000 mAh at 3.85 V")
    assert figure(page, "life") != before
    page.get_by_label("Inferences a day").fill("0")
    page.get_by_label("Inferences a day").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("must be a number of inferences a day")
    page.get_by_label("Inferences a day").fill("864000")
    page.get_by_label("Inferences a day").press("Enter")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_label("Battery", exact=True).select_option("cr2032")


@pytest.mark.parametrize(("button", "begins"), [("Report as a page", b"<!DOCTYPE html>"), ("Report as PDF", b"%PDF-")])
def test_a_report_is_saved(page: Page, button: str, begins: bytes) -> None:
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(begins) and download.value.suggested_filename.startswith("lenet-5-mnist-")


def test_no_control_is_there_for_what_the_kernel_refuses(page: Page) -> None:
    names = page.get_by_role("button").all_inner_texts()
    assert not [name for name in names if re.search(r"train|export|upload|import|network", name, re.IGNORECASE)]
    assert page.locator("input[type=file]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("(scheme) => document.querySelector('.cwb').dataset.theme === scheme", arg=scheme)
    assert grave(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        figures, sliders = (page.locator(part).bounding_box() for part in (".cwb-plain-figures", ".cwb-stops"))
        assert figures["y"] + figures["height"] <= sliders["y"]
        picture(page, f"stakeholders-390-{scheme}")
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.slow
def test_a_kernel_that_has_ended_is_said_and_the_page_goes_on_where_it_was(
    page: Page, opened: tuple[Page, Traffic, servers.Server]
) -> None:
    page.get_by_role("slider", name="Sparsity").fill("40")
    settle(page)
    name = page.evaluate("() => JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")
    os.kill(kernel(opened[2], name), signal.SIGKILL)
    expect(page.get_by_role("alert")).to_contain_text("The kernel of this page has ended")
    page.get_by_role("button", name="Start anew").click()
    page.wait_for_load_state()
    page.locator(".cwb").wait_for()
    settle(page)
    assert page.get_by_role("slider", name="Sparsity").get_attribute("aria-valuetext") == "40 %"


@pytest.fixture(scope="module")
def offline(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Traffic]]:
    """The offline page of a small network from its file, in a browser whose network is cut."""
    model = workbench.load("lenet-300-100/mnist")
    points = sweep(model, STOPS.cases(), images=IMAGES).trials
    choice = Choice(RULES[1], workbench.Recipe.sliders(sparsity=0.6, bits=4), 0.0, 1)
    path = tmp_path_factory.mktemp("mail") / "attached.html"
    path.write_text(write(points, [choice], Circumstances(), STOPS), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light", offline=True)
    page = context.new_page()
    traffic = Traffic(page)
    page.goto(path.as_uri())
    yield page, traffic
    context.close()


def test_the_offline_page_has_live_sliders_over_what_was_measured(offline: tuple[Page, Traffic]) -> None:
    page, traffic = offline
    small = "lenet-300-100/mnist"
    assert page.locator(".cwb").get_attribute("data-key") == "2,2,0"
    assert_figures_are(page, workbench.Recipe.sliders(sparsity=0.6, bits=4), IMAGES, small)
    slider = page.get_by_role("slider", name="Sparsity")
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "90 %"
    assert_figures_are(page, workbench.Recipe.sliders(sparsity=0.9, bits=4), IMAGES, small)
    page.get_by_role("slider", name="Rank").focus()
    page.keyboard.press("ArrowRight")
    assert_figures_are(page, workbench.Recipe.sliders(sparsity=0.9, bits=4, rank=0.5), IMAGES, small)
    page.locator('[data-key="0,0,0"] circle').click()
    assert_figures_are(page, workbench.Recipe(), IMAGES, small)
    chosen(page, "Balanced").click()
    assert page.locator(".cwb").get_attribute("data-key") == "2,2,0"
    picture(page, "offline")
    assert {address.split(":")[0] for address in traffic.addresses} == {"file"} and len(traffic.addresses) == 1
    assert traffic.errors == []


def test_the_offline_page_is_for_everybody(offline: tuple[Page, Traffic]) -> None:
    page, _ = offline
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("(scheme) => document.querySelector('.cwb').dataset.theme === scheme", arg=scheme)
        page.screenshot(path=picture(page, f"offline-{scheme}"), full_page=True)
        assert grave(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=picture(page, "offline-390"), full_page=True)


def test_where_no_script_runs_the_offline_page_is_a_table(browser: Browser, offline: tuple[Page, Traffic]) -> None:
    address = offline[0].url
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(address)
    assert page.get_by_role("row").count() == 3 and "Balanced" in page.locator("table").inner_text()
    context.close()
