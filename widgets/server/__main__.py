"""`python -m widgets.server dashboard|lab`: what the commands `workbench dashboard` and `workbench lab` run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from widgets.server.paths import notebooks_to_edit, shipped_notebooks, use_settings
from workbench.errors import WorkbenchError


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs until it is stopped; options that it does not know go on to Voila or JupyterLab (`lab --allow-root`).

    Exits with 2 and one sentence for bad choices.
    """
    parser = argparse.ArgumentParser(prog="workbench")
    pages = parser.add_subparsers(dest="page", required=True)
    for name, what in (("dashboard", "open the dashboard in the browser"), ("lab", "open JupyterLab on the notebooks")):
        page = pages.add_parser(
            name, help=what, description=f"{what.capitalize()}. The server listens on loopback only."
        )
        page.add_argument("--port", type=_port, help="port to listen on")
        page.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    choice, further = parser.parse_known_args(arguments)
    use_settings()
    try:
        if choice.page == "dashboard":
            _dashboard([*dashboard_arguments(choice.port, choice.no_browser), *further])
        else:
            _lab([*lab_arguments(choice.port, choice.no_browser), *further])
    except WorkbenchError as error:
        parser.error(str(error))


def dashboard_arguments(port: int | None, no_browser: bool) -> list[str]:
    """Voila's command line."""
    return [str(shipped_notebooks() / "dashboard.ipynb"), *_common(port, no_browser)]


def lab_arguments(port: int | None, no_browser: bool) -> list[str]:
    """JupyterLab's command line."""
    return [f"--ServerApp.root_dir={notebooks_to_edit()}", "--ServerApp.ip=127.0.0.1", *_common(port, no_browser)]


def _common(port: int | None, no_browser: bool) -> list[str]:
    return [*([f"--port={port}"] if port is not None else []), *(["--no-browser"] if no_browser else [])]


def _dashboard(arguments: list[str]) -> None:
    from widgets.server.dashboard import DashboardServer

    DashboardServer.launch_instance(arguments)


def _lab(arguments: list[str]) -> None:
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(arguments)


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main(sys.argv[1:])
