"""No serious finding of axe-core (the rules of WCAG 2.2 A and AA, and its best practices) in any state of the page."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import serve
from tests.browser.panel_page import PanelPage

_FADED = """() => Promise.allSettled(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)
)"""
GRAVE = {"serious", "critical"}


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The dashboard after a few moves, with something in every card."""
    with serve("voila", tmp_path_factory.mktemp("voila")) as voila:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        traffic = Traffic(page)
        voila.open(page)
        panel = PanelPage(page)
        panel.slider("Sparsity").fill("60")
        panel.slider("Bits").fill("4")
        panel.settle()
        yield page
        assert traffic.left_the_machine() == []
        assert traffic.errors == []


def grave(page: Page, where: str) -> list[str]:
    """The findings, each with the elements that it is about, once nothing on the page fades any more."""
    page.evaluate(_FADED)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{where}: {one['id']}: {', '.join(node['html'][:160] for node in one['nodes'][:3])}"
        for one in found
        if one["impact"] in GRAVE
    ]


def test_every_card_of_the_stage_in_light_and_dark(page: Page) -> None:
    findings = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("(scheme) => document.querySelector('.cwb').dataset.theme === scheme", arg=scheme)
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_function("() => !document.querySelector('.cwb-picture[aria-busy=true]')")
            findings += grave(page, f"{scheme}, {tab.inner_text()}")
            picture(page, f"accessible-{scheme}-{tab.inner_text().lower().replace(' ', '-')}")
    page.emulate_media(color_scheme="light")
    assert findings == []


def test_whatever_opens(page: Page) -> None:
    findings = []
    for button in page.locator(".cwb button[aria-haspopup=dialog]:visible").all():
        button.click()
        findings += grave(page, button.get_attribute("aria-label") or button.inner_text())
        page.keyboard.press("Escape")
    for summary in page.locator(".cwb summary:visible").all():
        summary.click()
    findings += grave(page, "every list open")
    picture(page, "accessible-open")
    assert findings == []


def test_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    findings = grave(page, "390 pixels")
    picture(page, "accessible-phone")
    assert findings == []
