"""Makes the pictures of the README: `python docs/screenshot.py` starts the dashboard, moves it and photographs it.

Needs Chromium or Chrome on the PATH and the test requirements.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import servers  # noqa: E402 (the folder above is on the path from here on)
from benchmarks.browser import chromium  # noqa: E402
from tests.browser.front_ends import serve  # noqa: E402
from tests.browser.panel_page import PanelPage  # noqa: E402

PICTURES = ROOT / "docs" / "screenshots"
# Stops visited before the picture is taken, so that the trade-off plot has something to show.
VISITED = [(sparsity, bits) for bits in (9, 6, 5, 4, 3) for sparsity in (0, 20, 40, 50, 60, 65)]
SHOWN = (50, 5)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serve("voila", Path(folder)) as voila,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1480, "height": 1080}, color_scheme="light")
        voila.open(page)
        panel = PanelPage(page)
        network = panel.root.get_by_label("Network")
        network.select_option("lenet-5/mnist")
        panel.settle()
        expect(network).to_have_value("lenet-5/mnist")  # and not refused
        for sparsity, bits in [*VISITED, SHOWN]:
            panel.slider("Bits").fill(str(bits))
            panel.slider("Sparsity").fill(str(sparsity))
            panel.settle()
        page.evaluate("() => document.activeElement.blur()")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("(scheme) => document.querySelector('.cwb').dataset.theme === scheme", arg=scheme)
            page.wait_for_timeout(1500)  # the plot is drawn a little after the rest
            page.screenshot(path=PICTURES / f"dashboard-{scheme}.png")
    stakeholders()


def stakeholders() -> None:
    """The page for people who decide, once its three choices have been measured."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.serving("voila", Path(folder), ["--for", "stakeholders"]) as server,
        chromium() as browser,
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


if __name__ == "__main__":
    main()
