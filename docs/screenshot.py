"""Makes the pictures of the README: `python docs/screenshot.py` starts the pages, moves them and photographs them.

Needs Chromium or Chrome on the PATH and the test requirements.
"""

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import servers  # noqa: E402 (the folder above is on the path from here on)
from benchmarks.browser import chromium  # noqa: E402
from tests.browser.front_ends import serve  # noqa: E402
from tests.browser.panel_page import PanelPage  # noqa: E402

PICTURES = ROOT / "docs" / "screenshots"
NETWORK = "lenet-5/mnist"
# Stops visited before the picture is taken, so that the trade-off plot has something to show.
VISITED = [(sparsity, bits) for bits in (9, 6, 5, 4, 3) for sparsity in (0, 40, 60, 70, 80)]
SHOWN = (70, 5)
CARDS = ("weights", "answers", "graph", "speed")
SMALLER, COLOURS = 0.75, 96  # of the tour


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with chromium() as browser:
        dashboard(browser)
        stakeholders(browser)


def dashboard(browser: Browser) -> None:
    with tempfile.TemporaryDirectory() as folder, serve("voila", Path(folder)) as voila:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        voila.open(page)
        panel = PanelPage(page)
        panel.root.get_by_role("button", name="Do not show again").click()
        network = panel.root.get_by_label("Network")
        network.select_option(NETWORK)
        panel.settle()
        expect(network).to_have_value(NETWORK)  # and not refused
        save(PICTURES / "tour.gif", list(tour(page, panel)))
        panel.show("Trade-off")
        for sparsity, bits in [*VISITED, SHOWN]:
            panel.slider("Bits").fill(str(bits))
            panel.slider("Sparsity").fill(str(sparsity))
            panel.settle()
        page.evaluate("() => document.activeElement.blur()")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("(scheme) => document.querySelector('.cwb').dataset.theme === scheme", arg=scheme)
            page.wait_for_timeout(3000)  # the plot is drawn a little after the rest
            page.screenshot(path=PICTURES / f"dashboard-{scheme}.png")
        page.emulate_media(color_scheme="light")
        for name in CARDS:
            panel.root.locator(f"[role=tab][data-card={name}]").click()
            if name == "speed":
                panel.root.get_by_role("button", name="Measure latency").click()
                expect(panel.root.get_by_role("button", name="Measure again")).to_be_visible(timeout=120_000)
            drawn(page)
            panel.root.locator(".cwb-stage").screenshot(path=PICTURES / f"{name}.png")
        page.close()


def tour(page: Page, panel: PanelPage) -> Iterator[tuple[Image.Image, int]]:
    """Frames, each with how many milliseconds it stays."""
    yield frame(page), 1200
    for stop in range(5, 81, 5):
        panel.slider("Sparsity").fill(str(stop))
        page.wait_for_timeout(150)
        yield frame(page), 90
    panel.settle()
    for stop in (8, 7, 6, 5, 4):
        panel.slider("Bits").fill(str(stop))
        page.wait_for_timeout(250)
        yield frame(page), 200
    panel.settle()
    page.wait_for_timeout(1200)
    yield frame(page), 1800
    panel.tile("Size").locator(".cwb-figure").click()
    page.wait_for_timeout(400)
    yield frame(page), 2200
    page.keyboard.press("Escape")
    for name in CARDS[:-1]:
        panel.root.locator(f"[role=tab][data-card={name}]").click()
        drawn(page)
        yield frame(page), 1800
    panel.show("Trade-off")


def drawn(page: Page) -> None:
    """Until the card that was opened shows what it is asked for."""
    page.wait_for_function("() => !document.querySelector('.cwb-picture[aria-busy=true]')")
    page.wait_for_timeout(1500)


def frame(page: Page) -> Image.Image:
    picture = Image.open(io.BytesIO(page.screenshot()))
    width, height = (round(SMALLER * side) for side in picture.size)
    return (
        picture.resize((width, height), Image.Resampling.LANCZOS)
        .convert("RGB")
        .quantize(COLOURS, dither=Image.Dither.NONE)
    )


def save(path: Path, frames: list[tuple[Image.Image, int]]) -> None:
    (first, _), *others = frames
    times = [milliseconds for _, milliseconds in frames]
    first.save(path, save_all=True, append_images=[one for one, _ in others], duration=times, loop=0, optimize=True)


def stakeholders(browser: Browser) -> None:
    """The page for people who decide, once its three choices have been measured."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.serving("voila", Path(folder), ["--for", "stakeholders"]) as server,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.goto(server.address)
        page.locator(".cwb").wait_for(timeout=1000 * servers.PATIENCE)
        page.wait_for_function(
            "() => document.querySelector('.cwb').dataset.stage === 'exact'"
            " && !document.querySelector('.cwb-choices').textContent.includes('measured')",
            timeout=1000 * servers.PATIENCE,
        )
        page.screenshot(path=PICTURES / "stakeholders.png")
        page.close()


if __name__ == "__main__":
    main()
