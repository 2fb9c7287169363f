"""Real Voila and real JupyterLab on free loopback ports, started by the project's own command."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
PATIENCE = 120_000  # milliseconds; a cold kernel on a busy machine
_TOKEN = "test"


@dataclass(frozen=True)
class FrontEnd:
    """A running server that can show notebooks. name: "voila" or "lab". folder: where it runs."""

    name: str
    address: str
    folder: Path

    def open(self, page: Page, notebook: str = "dashboard.ipynb") -> None:
        """Go to the notebook and have it run; the panel is on the page afterwards."""
        if self.name == "voila":
            page.goto(self.address)
        else:
            page.goto(f"{self.address}/lab/tree/{notebook}?token={_TOKEN}&reset")
            page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=PATIENCE)
            page.locator(".jp-Notebook .cm-content").first.click()
            page.keyboard.press("Control+Enter")
        page.locator(".cwb").first.wait_for(state="attached", timeout=PATIENCE)


@contextmanager
def serve(name: str, folder: Path) -> Iterator[FrontEnd]:
    """`workbench dashboard` or `workbench lab`, ended with its kernels at the end. folder: where it runs and logs."""
    port = _free_port()
    command = [sys.executable, "-m", "widgets.server", "dashboard" if name == "voila" else "lab"]
    command += ["--port", str(port), "--no-browser"]
    if name == "lab":
        shutil.copy(ROOT / "notebooks" / "dashboard.ipynb", folder)  # JupyterLab saves what it shows
        command += ["--notebooks", str(folder), "--allow-root", f"--IdentityProvider.token={_TOKEN}"]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with (folder / f"{name}.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(
            server, f"{address}/voila/static/voila.js" if name == "voila" else f"{address}/api", folder / f"{name}.log"
        )
        yield FrontEnd(name, address, folder)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_until_up(server: subprocess.Popen, address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=PATIENCE / 1000).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"The server did not come up:\n{log.read_text()[-3000:]}")
