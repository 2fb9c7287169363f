"""Every control of the page, moved, changes a figure or a picture within a few seconds."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.conftest import Traffic
from tests.browser.front_ends import serve
from tests.browser.panel_page import PanelPage

SOON = 15_000  # milliseconds on a busy machine; nearly all need a hundredth of it
# What is seen: figures, pictures and what lies over them, without what the controls say of themselves.
SEEN = """() => {
    const root = document.querySelector(".cwb");
    const seen = ".cwb-tile, .cwb-recipe, .cwb-tabpanel:not([hidden]), .cwb-strip, :popover-open";
    const parts = [...root.querySelectorAll(seen)];
    const drawn = [...root.querySelectorAll(".cwb-main canvas")].map((one) => one.toDataURL());
    const shapes = [...root.querySelectorAll(".cwb-main svg")].map((one) => one.outerHTML);
    const open = [...root.querySelectorAll("[aria-expanded=true], details[open]")].length;
    const fields = [...root.querySelectorAll("input")].filter((one) => one.checkVisibility()).length;
    const order = [...root.querySelectorAll("[aria-sort]")].map((one) => one.ariaSort);
    return JSON.stringify([parts.map((one) => one.innerText), drawn, shapes, open, fields, order]);
}"""
CHANGED = "([seen, before]) => eval(seen)() !== before"
CONTROLS = "input:visible, select:visible, button:visible, summary:visible, [role=slider]:visible"
CHOSEN = "[aria-selected=true], [aria-pressed=true], [aria-checked=true], :checked[type=radio]"
# What they change lies elsewhere, or is there already: a file, the clipboard, the place where one is, one of two ticks.
ELSEWHERE = re.compile(
    r"Export|Copy|Cancel|Undo|Redo|Reset|Do not show again|file|Go to|Delete|Train|Show\b|where you are|Compare ",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with serve("voila", tmp_path_factory.mktemp("voila")) as voila:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        traffic = Traffic(page)
        voila.open(page)
        PanelPage(page).settle()
        yield page
        assert traffic.errors == []
        page.close()


def name(control: Locator) -> str:
    return control.evaluate(
        "(one) => (one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent || '').trim()"
    )


def move(control: Locator) -> None:
    kind = control.evaluate("(one) => one.type || one.getAttribute('role') || one.tagName")
    if kind in ("range", "slider"):
        control.press("ArrowRight")
        control.press("ArrowUp")
        control.press("ArrowUp")
    elif kind == "select-one":
        control.evaluate(
            """(one) => {
                one.selectedIndex = (one.selectedIndex + 1) % one.options.length;
                one.dispatchEvent(new Event("change", {bubbles: true}));
            }"""
        )
    elif kind in ("number", "text", "textarea"):
        control.fill("12")
        control.press("Enter")
    else:
        control.click()


def lifeless(page: Page, within: str) -> list[str]:
    """Names of the controls there that change nothing."""
    panel, found = PanelPage(page), []
    for place in range(page.locator(within).locator(CONTROLS).count()):
        control = page.locator(within).locator(CONTROLS).nth(place)
        if not control.count() or not control.is_enabled() or control.get_attribute("aria-disabled") == "true":
            continue
        called = name(control)
        if control.evaluate("(one, chosen) => one.matches(chosen)", CHOSEN):
            continue
        if ELSEWHERE.search(called):
            continue
        before = page.evaluate(SEEN)
        move(control)
        try:
            page.wait_for_function(CHANGED, arg=[SEEN, before], timeout=SOON)
        except Exception:
            found.append(called)
        page.keyboard.press("Escape")
        page.wait_for_timeout(50)
    panel.settle()
    return found


@pytest.mark.slow
def test_the_controls_on_the_left_and_in_the_bar(page: Page) -> None:
    panel = PanelPage(page)
    panel.slider("Sparsity").fill("50")
    panel.settle()
    assert lifeless(page, ".cwb-header") == []
    panel.reset()
    assert lifeless(page, ".cwb-controls") == []
    panel.reset()


@pytest.mark.slow
def test_every_card_of_the_stage(page: Page) -> None:
    panel, found = PanelPage(page), {}
    for tab in page.get_by_role("tab").all():
        title = tab.inner_text()
        panel.slider("Sparsity").fill("50")
        tab.click()
        panel.settle()
        page.wait_for_function("() => !document.querySelector('.cwb-picture[aria-busy=true]')")
        found[title] = lifeless(page, ".cwb-tabpanel:not([hidden])")
        panel.reset()
    assert found == {title: [] for title in found}
