"""The dashboard in a real Chromium, moved by its pointer: each answer is timed inside the page.

A move's time begins when the browser has the pointer's event, which it may hold until the next frame, and ends when the
page's elements have changed, or when the frame that shows the change has been painted.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.moves import (
    BASES,
    BUDGET,
    FIGURES,
    KINDS,
    LEAST,
    SWEEP,
    Change,
    Move,
    answer_times,
    backlog,
    foreseen,
    moved_layer,
    steps,
    summary,
    travel,
)
from benchmarks.servers import NOTEBOOK, PATIENCE, Server, serving
from widgets.controls.sliders import sliders
from workbench.errors import WorkbenchError
from workbench.method import AXES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever would leave this machine finds nothing
)
_SWEEP_SECONDS = 2.0
_PAUSE = 0.5  # seconds between two moves, since nobody moves on before a figure is read


def installed() -> str | None:
    """Where Chromium or Chrome is, None where there is none on the PATH."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Raises WorkbenchError where Playwright or Chromium is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise WorkbenchError("Measuring the page needs Playwright: pip install playwright.") from None
    path = installed()
    if path is None:
        raise WorkbenchError("Measuring the page needs Chromium or Chrome: install one so that it is on the PATH.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


def open_dashboard(page: Page, server: Server, notebook: str = NOTEBOOK) -> None:
    """Go to the dashboard, in JupyterLab the one that `notebook` makes; it is on the page afterwards."""
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(server.page(notebook))
    if server.surface == "lab":
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.locator(".jp-Notebook .cm-content").first.click()
        page.keyboard.press("Control+Enter")
    page.locator(".cwb").first.wait_for()


def measure(
    browser: Browser, surface: str, models: list[str], moves: int, progress: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and sweeps of one surface, as `interaction.run` returns them."""
    rows, sweeps = [], []
    with tempfile.TemporaryDirectory() as folder, serving(surface, Path(folder)) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        open_dashboard(page, server)
        panel = Panel(page)
        panel.settle()
        for model in models:
            progress(f"{surface}: {model}")
            panel.root.get_by_label("Network").select_option(model)
            panel.settle()
            for kind in KINDS:
                about = {"surface": surface, "model": model, "move": kind}
                rows += [{**about, **row} for row in panel.single_moves(kind, moves)]
            sweeps.append({"surface": surface, "model": model, **panel.sweep()})
        page.close()
    return rows, sweeps


class Panel:
    """The dashboard on a page, watched."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".cwb").first
        self.page.evaluate(files("benchmarks").joinpath("watch.js").read_text(encoding="utf-8"))

    def settle(self) -> None:
        """Until every figure is the newest move's, exact or cancelled, and painted."""
        self._until("exact", "cancelled")

    def _until(self, *stages: str) -> None:
        self.page.evaluate("(stages) => workbenchWatch.until(stages)", stages)

    def hurry(self) -> None:
        """Until there is a first accuracy, then cancel what is left."""
        self._until("accuracy", "exact", "cancelled")
        self.page.keyboard.press("Escape")
        self.settle()

    def take(self) -> tuple[list[Move], list[Change], float]:
        """The moves and changes since the last call, and when the pointer was released last."""
        seen = self.page.evaluate("() => workbenchWatch.take()")
        if seen["failed"]:
            raise WorkbenchError(f"The dashboard could not be measured; it says: {seen['failed']}")
        return [Move(**one) for one in seen["moves"]], [Change(**one) for one in seen["changes"]], seen["released"]

    def prepare(self, kind: str) -> Locator:
        """Put every slider where moves of `kind` begin, and return the one that they move."""
        self.root.get_by_role("button", name="Reset", exact=True).click()
        for axis, slider in sliders().items():
            stop = BASES[kind].get(axis, slider.off)
            self.root.get_by_role("slider", name=AXES[axis].label, exact=True).fill(str(stop))
        if kind != "layer":
            self.hurry()
            (label,) = (axis.label for axis in AXES.values() if axis.name == kind)
            return self.root.get_by_role("slider", name=label, exact=True)
        names = [row.get_attribute("data-layer") or "" for row in self.root.locator("tr[data-layer]").all()]
        layer = moved_layer(names)
        self.settle()  # what the layers before it make of every image is known then
        self.root.get_by_role("tab", name="Layers", exact=True).click()
        toggle = self.root.get_by_role("button", name=f"Adjust layer {layer}", exact=True)
        if toggle.get_attribute("aria-expanded") == "false":
            toggle.click()
        return self.root.get_by_role("slider", name=f"Sparsity of layer {layer}", exact=True)

    def single_moves(self, kind: str, moves: int) -> list[dict[str, Any]]:
        """Hold the slider's thumb and move it whenever everything has settled, after a while by being cancelled."""
        slider = self.prepare(kind)
        first, *others = steps(kind, moves + 1)
        track = _Track(slider, kind)
        track.press(first)
        self.hurry()
        self.take()
        found: dict[str, list[float]] = {figure: [] for figure in FIGURES}
        painted: dict[str, list[float]] = {figure: [] for figure in FIGURES}
        ahead = 0
        begun = time.monotonic()
        for made, step in enumerate(others):
            time.sleep(_PAUSE)
            track.move(step)
            if made >= LEAST and time.monotonic() - begun > BUDGET:
                self.hurry()
            else:
                self.settle()
            moved, changes, _ = self.take()
            ahead += foreseen(moved[-1:], changes)
            for figure in FIGURES:
                found[figure] += answer_times(moved[-1:], changes)[figure]
                painted[figure] += answer_times(moved[-1:], changes, painted=True)[figure]
        track.release()
        return [
            {"figure": name, **summary(times[figure]), **({"foreseen": ahead} if figure == "costs" else {})}
            for figure in FIGURES
            for name, times in ((figure, found), (f"{figure}, painted", painted))
        ]

    def sweep(self) -> dict[str, Any]:
        """Drag the sparsity slider over its whole length at an even pace, then let go."""
        track = _Track(self.prepare("sparsity"), "sparsity")
        track.press(0)
        self.hurry()
        time.sleep(_PAUSE)
        self.take()
        seconds = track.sweep(range(1, SWEEP), _SWEEP_SECONDS / SWEEP)
        track.release()
        self.settle()
        moves, changes, released = self.take()
        exact = [one for one in changes if one.stage == "exact"]
        return {
            "moves": len(moves),
            "seconds": seconds,
            "costs": summary(answer_times(moves, changes)["costs"]),
            "foreseen": foreseen(moves, changes),
            "costs_shown": len({one.costs for one in changes} & {one.number for one in moves}),
            "accuracies_shown": len({one.answered for one in changes if one.stage in FIGURES[1:]}),
            "backlog": backlog(changes),
            "exact_after_release": exact[-1].at - released,
            "last_position_shown": exact[-1].answered == moves[-1].number
            and (self.root.locator(".cwb-recipe").text_content() or "").startswith(f"sparsity {SWEEP - 1}"),
        }


class _Track:
    """The pointer on the track of a native range input."""

    def __init__(self, slider: Locator, kind: str) -> None:
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        thumb = float(slider.evaluate("(one) => parseFloat(getComputedStyle(one).getPropertyValue('--cwb-thumb'))"))
        self._page, self._mouse, self._kind = slider.page, slider.page.mouse, kind
        self._left, self._length = box["x"] + thumb / 2, box["width"] - thumb
        self._y = box["y"] + box["height"] / 2

    def press(self, step: int) -> None:
        self.move(step)
        self._mouse.down()

    def move(self, step: int) -> None:
        self._mouse.move(self._x(step), self._y)

    def sweep(self, steps: Iterable[int], pause: float) -> float:
        """Move to one step after the other, as a hand does: whether or not the page has dealt with the one before.

        pause: seconds between two. Returns how many it took. Chromium hands a page that is behind only the last of the
        moves that have gathered.
        """
        page, browser = self._page, self._page.context.browser
        assert browser is not None
        target = page.context.new_cdp_session(page).send("Target.getTargetInfo")["targetInfo"]["targetId"]
        devtools = browser.new_browser_cdp_session()
        session = devtools.send("Target.attachToTarget", {"targetId": target, "flatten": False})["sessionId"]
        begun, step = time.monotonic(), 0
        for number, step in enumerate(steps, 1):
            where = {"type": "mouseMoved", "x": self._x(step), "y": self._y, "button": "left", "buttons": 1}
            message = {"id": number, "method": "Input.dispatchMouseEvent", "params": where}
            time.sleep(max(0.0, begun + number * pause - time.monotonic()))
            # Answered when it has been passed on; a move of the mouse itself is only answered by the page.
            devtools.send("Target.sendMessageToTarget", {"sessionId": session, "message": json.dumps(message)})
        seconds = time.monotonic() - begun
        self.move(step)
        devtools.detach()
        return seconds

    def release(self) -> None:
        self._mouse.up()

    def _x(self, step: int) -> float:
        return self._left + travel(self._kind, step) * self._length
