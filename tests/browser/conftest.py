"""One browser that can reach nothing but loopback, and one page a front end."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.browser import chromium, installed
from tests.browser.front_ends import ROOT, FrontEnd, serve
from tests.browser.panel_page import PanelPage
from workbench.store import VARIABLE

ARTEFACTS = ROOT / "artifacts" / "browser"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if installed() is None:
        pytest.skip("needs Chromium or Chrome on the PATH")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session", autouse=True)
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is trained here is no result of the user's; servers and the command find the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("store")))
        yield


class Traffic:
    """Every address that a page asked for, and every error that it met."""

    def __init__(self, page: Page) -> None:
        self.addresses: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("websocket", lambda socket: self.addresses.append(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def left_the_machine(self) -> list[str]:
        return [one for one in self.addresses if not re.match(r"(?:(?:http|ws)://127\.0\.0\.1:\d+/|blob:|data:)", one)]


@pytest.fixture(scope="module", params=["voila", "lab"])
def front_end(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with serve(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def opened(front_end: FrontEnd, browser: Browser) -> Iterator[tuple[Page, Traffic]]:
    """The dashboard in this front end: one kernel and one page for all tests of a module."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light", accept_downloads=True)
    traffic = Traffic(page)
    front_end.open(page)
    PanelPage(page).settle()
    yield page, traffic
    page.close()


@pytest.fixture
def panel(opened: tuple[Page, Traffic], front_end: FrontEnd, request: pytest.FixtureRequest) -> Iterator[PanelPage]:
    """The panel, its controls where they were at first; a screenshot of how the test left it is kept."""
    page, traffic = opened
    panel = PanelPage(page)
    panel.reset()
    yield panel
    picture(page, f"{front_end.name}-{re.sub(r'[^a-z0-9]+', '-', request.node.name)}")
    assert traffic.left_the_machine() == []
    assert traffic.errors == []


def picture(page: Page, name: str) -> Path:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=path)
    return path
