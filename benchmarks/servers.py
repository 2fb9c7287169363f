"""Voila and JupyterLab as `workbench dashboard` and `workbench lab` run them, for as long as a block takes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

SURFACES = ("voila", "lab")
PATIENCE = 120.0  # seconds; a cold kernel on a busy machine
NOTEBOOK = "dashboard.ipynb"
_CELL = """import workbench
from widgets import Dashboard

Dashboard(workbench.Session(workbench.load("lenet-300-100/mnist")))"""


@dataclass(frozen=True)
class Server:
    """A running server. surface: "voila" or "lab". address: of its root, without a slash. process: its number."""

    surface: str
    address: str
    token: str
    process: int

    def page(self, notebook: str = NOTEBOOK) -> str:
        """Where the dashboard is, or in JupyterLab a notebook; there its one cell is yet to be run."""
        if self.surface == "voila":
            return self.address
        return f"{self.address}/lab/tree/{notebook}?token={self.token}&reset"


@contextmanager
def serving(surface: str, folder: Path, further: Sequence[str] = ()) -> Iterator[Server]:
    """On a free loopback port; ended with its kernels at the end.

    folder: where it runs and keeps its log. JupyterLab works on a notebook written there. further: options for the
    server. Raises WorkbenchError where it does not come up.
    """
    port, token = _free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "widgets.server", "dashboard" if surface == "voila" else "lab"]
    command += ["--port", str(port), "--no-browser", *further]
    variables = environment()
    if surface == "lab":
        (folder / NOTEBOOK).write_text(_notebook(), encoding="utf-8")
        command += ["--notebooks", str(folder), "--allow-root", f"--IdentityProvider.token={token}"]
        for variable in ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"):  # a user's own stay as they are
            variables[variable] = str(folder)
    log = folder / f"{surface}.log"
    with log.open("w") as writing:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=writing, stderr=writing)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(process, f"{address}/voila/static/voila.js" if surface == "voila" else f"{address}/api", log)
        yield Server(surface, address, token, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment() -> dict[str, str]:
    """Variables with which another Python finds the same packages, in a checkout that is not installed, too."""
    packages = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _notebook() -> str:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "dashboard",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    content = {"cells": [{**cell, "source": _CELL}], "metadata": {"kernelspec": kernel}, "nbformat": 4}
    return json.dumps({**content, "nbformat_minor": 5})


def _wait_until_up(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=PATIENCE).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    said = (log.read_text(encoding="utf-8").strip().splitlines() or ["nothing"])[-1]
    raise WorkbenchError(f"The server of {address} did not come up; its last words were: {said}")
