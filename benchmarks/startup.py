"""How soon the dashboard is there, what it sends over the network, and what an idle kernel holds."""

from __future__ import annotations

import base64
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import Panel, open_dashboard
from benchmarks.servers import PATIENCE, Server, environment, serving
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_IMPORT = """
import sys
from time import perf_counter
start = perf_counter()
import workbench
print(perf_counter() - start, "torch" in sys.modules)
"""
_IDLE = 5.0  # seconds without a move, after which a kernel counts as idle
_FULL = "is filled with"  # what Voila logs when its pool holds a kernel
# Before any script of the page's own; times count from the moment the browser was told to go there.
_FIRST = """(() => {
  const seen = new MutationObserver(() => {
    const root = document.querySelector(".cwb");
    const figures = root?.querySelectorAll('.cwb-tile[data-current="true"]').length ?? 0;
    if (!root?.querySelector("input[type=range]") || figures < 3) return;
    window.workbenchFirst = performance.now();
    seen.disconnect();
  });
  seen.observe(document, { subtree: true, childList: true, attributes: true });
})()"""


def measure(browser: Browser, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Voila's first page, with a kernel waiting in the pool ("warm") and without ("cold").

    {"import_seconds", "imports_torch", "cold": {...}, "warm": {...}}. A page: "slider_seconds" until the first slider
    is live, which is when the kernel's size, operations and energy are shown beside it; "websocket_bytes" and
    "all_bytes" that the browser was sent or sent, once everything is drawn; "idle_kernel": {"rss", "pss"} in bytes with
    the page open, None where the system does not tell.
    """
    progress("startup: import workbench")
    found = [_import() for _ in range(5)]
    pages = {}
    for name in ("cold", "warm"):
        progress(f"startup: voila, {name}")
        options = [f"--preheat_kernel={name == 'warm'}"]
        with tempfile.TemporaryDirectory() as folder, serving("voila", Path(folder), options) as server:
            if name == "warm":
                _wait_until_filled(server, Path(folder))
            pages[name] = _first_page(browser, server)
    return {
        "import_seconds": statistics.median(seconds for seconds, _ in found),
        "imports_torch": any(torch for _, torch in found),
        **pages,
    }


def _import() -> tuple[float, bool]:
    ran = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, env=environment())
    seconds, torch = ran.stdout.split()
    return float(seconds), torch == "True"


def _first_page(browser: Browser, server: Server) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})  # with an empty cache
    page = context.new_page()
    page.add_init_script(_FIRST)
    traffic = _count(page)
    waiting = kernels(server)
    open_dashboard(page, server)
    Panel(page).settle()
    page.locator(".cwb-plot .main-svg").first.wait_for()
    time.sleep(_IDLE)
    ours = waiting or kernels(server)  # a page takes the kernel that waits, and another is started for the next one
    result = {
        "slider_seconds": page.evaluate("() => workbenchFirst") / 1000,
        "websocket_bytes": traffic["websocket"],
        "all_bytes": sum(traffic.values()),
        "idle_kernel": memory(ours[0]) if ours else None,
    }
    context.close()
    return result


def _count(page: Page) -> dict[str, int]:
    """Bytes over the network from now on, as the browser counts them: {"websocket", "http"}."""
    counted = {"websocket": 0, "http": 0}

    def frame(event: dict[str, Any]) -> None:
        content = event["response"]["payloadData"]
        binary = event["response"]["opcode"] == 2
        counted["websocket"] += len(base64.b64decode(content)) if binary else len(content.encode())

    def loaded(event: dict[str, Any]) -> None:
        counted["http"] += int(event["encodedDataLength"])

    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.webSocketFrameReceived", frame)
    session.on("Network.webSocketFrameSent", frame)
    session.on("Network.loadingFinished", loaded)
    return counted


def _wait_until_filled(server: Server, folder: Path) -> None:
    """Until a kernel in the pool has run the notebook, and rests."""
    deadline = time.monotonic() + PATIENCE
    log = folder / f"{server.surface}.log"
    while _FULL not in log.read_text(encoding="utf-8"):
        if time.monotonic() > deadline:
            raise WorkbenchError(f"No kernel was made ready within {PATIENCE:.0f} seconds.")
        time.sleep(0.2)
    resting = time.monotonic()
    used = -1.0
    while time.monotonic() < min(deadline, resting + 2.0):
        if (now := sum(map(_processor_time, kernels(server)))) != used:
            used, resting = now, time.monotonic()
        time.sleep(0.2)


def kernels(server: Server) -> list[int]:
    """Process numbers of a server's kernels, the oldest first; none where the system has no /proc.

    They are the server's own children, or forks of one.
    """
    found, parents = [], {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _fields(path)
            process = int(path.parent.name)
            parents[process] = int(fields[1])
            forked = (path.parent / "comm").read_text().startswith("kernel ")
            if forked or b"ipykernel" in (path.parent / "cmdline").read_bytes():
                found.append((int(fields[19]), process))
        except OSError:  # it has ended
            continue
    ours = {process for process, parent in parents.items() if parent == server.process}
    return [process for _, process in sorted(found) if process in ours or parents[process] in ours]


def kernel(server: Server, name: str) -> int:
    """The process number of the kernel with that id. Raises LookupError where there is none."""
    for process in kernels(server):
        comm, command = (Path(f"/proc/{process}/{file}").read_text() for file in ("comm", "cmdline"))
        if comm.strip() == f"kernel {name[:8]}" or name in command:
            return process
    raise LookupError(f"No kernel {name} runs.")


def memory(process: int) -> dict[str, int]:
    """{"rss", "pss"} of a process in bytes: what it holds, and the same with shared pages divided among the sharers."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    return {
        name.lower(): 1024 * int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[0]) for name in ("Rss", "Pss")
    }


def _processor_time(process: int) -> float:
    try:
        fields = _fields(Path(f"/proc/{process}/stat"))
    except OSError:
        return 0.0
    return float(fields[11]) + float(fields[12])


def _fields(stat: Path) -> list[str]:
    """From the state on: the name before it may hold spaces."""
    return stat.read_text().rpartition(")")[2].split()
