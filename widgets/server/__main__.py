"""`python -m widgets.server dashboard|lab`: what the commands `workbench dashboard` and `workbench lab` run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from widgets.server.paths import notebooks_to_edit, shipped_notebooks, use_settings
from workbench.errors import WorkbenchError
from workbench.names import sentence

_AUDIENCES = {"engineers": "dashboard", "stakeholders": "stakeholders"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs until it is stopped; options that it does not know go on to Voila or JupyterLab (`lab --allow-root`).

    Exits with 2 and one sentence for bad choices.
    """
    parser = argparse.ArgumentParser(prog="workbench")
    pages = parser.add_subparsers(dest="page", required=True)
    about = {"dashboard": "Open the dashboard in the browser", "lab": "Open JupyterLab on the notebooks"}
    for name, what in about.items():
        page = pages.add_parser(name, help=what, description=f"{what}. The server listens on loopback only.")
        page.add_argument("--port", type=_port, help="port to listen on")
        page.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    pages.choices["dashboard"].add_argument(
        "--notebook",
        type=_notebook,
        default="dashboard",
        help="which of the project's notebooks to show as a page, or a file of one's own (mine.ipynb)",
    )
    pages.choices["dashboard"].add_argument(
        "--for",
        dest="notebook",
        type=_audience,
        metavar="{engineers,stakeholders}",
        help="whose page to show: all controls, or plain words and three choices for people who decide",
    )
    pages.choices["dashboard"].add_argument(
        "--kernels", type=_count, help="most pages at a time, each a kernel of 250 MB or more; by default what fits"
    )
    pages.choices["lab"].add_argument(
        "--notebooks", type=_folder, help="folder to work in; the project's own by default"
    )
    choice, further = parser.parse_known_args(arguments)
    use_settings()
    _end_with_the_terminal()
    try:
        if choice.page == "dashboard":
            own = dashboard_arguments(choice.notebook, choice.port, choice.no_browser, choice.kernels)
            _dashboard(own, further)
        else:
            _lab(lab_arguments(choice.notebooks, choice.port, choice.no_browser), further)
    except WorkbenchError as error:
        parser.error(str(error))
    except OSError as error:  # a home in which nothing can be written
        parser.error(sentence(f"{error.strerror}: {error.filename}"))


def dashboard_arguments(notebook: Path, port: int | None, no_browser: bool, kernels: int | None = None) -> list[str]:
    """Voila's command line."""
    ceiling = [] if kernels is None else [f"--Kernels.most={kernels}"]
    if kernels == 1:
        ceiling.append("--VoilaConfiguration.default_pool_size=0")  # else the only one waits while a page asks for it
    return [str(notebook), *_common("Voila", port, no_browser), *ceiling]


def lab_arguments(notebooks: Path | None, port: int | None, no_browser: bool) -> list[str]:
    """JupyterLab's command line."""
    folder = notebooks or notebooks_to_edit()
    return [f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1", *_common("ServerApp", port, no_browser)]


def _common(server: str, port: int | None, no_browser: bool) -> list[str]:
    """A port that was asked for is taken or nothing; without one, the next free one after the usual is."""
    on_port = [] if port is None else [f"--port={port}", f"--{server}.port_retries=0"]
    return [*on_port, *(["--no-browser"] if no_browser else [])]


def _dashboard(arguments: list[str], further: list[str]) -> None:
    from widgets.server.dashboard import DashboardServer

    _check(further, DashboardServer)
    DashboardServer.launch_instance([*arguments, *further])


def _lab(arguments: list[str], further: list[str]) -> None:
    from jupyterlab.labapp import LabApp

    _check(further, LabApp)
    _ = LabApp().runtime_dir  # made if need be: where it cannot, that is said before any extension meets it
    LabApp.launch_instance([*arguments, *further])


def _check(further: list[str], server: Any) -> None:
    """Raises WorkbenchError for what the server does not know, which it would take for a file, or leave alone."""
    value = False
    for argument in further:
        name, equals, _ = argument.lstrip("-").partition("=")
        named = argument.startswith("-")
        if not (named and ("." in name or name in {*server.aliases, *server.flags})) and not (value and not named):
            raise WorkbenchError(f"there is no option {argument[:80]!r}")
        value = named and not equals and name in server.aliases


def _end_with_the_terminal() -> None:
    """As on SIGTERM, on which both servers end their kernels; not where it was begun by `nohup`."""
    if os.name == "posix" and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda number, frame: signal.raise_signal(signal.SIGTERM))


def _port(text: str) -> int:
    return _number(text, 65535)


def _count(text: str) -> int:
    return _number(text, 999)


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= most):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {most}, not {text[:40]!r}")
    return int(text)


def _notebook(text: str) -> Path:
    if text.endswith(".ipynb") and Path(text).is_file():
        return Path(text).absolute()
    try:
        shipped = {path.stem: path for path in sorted(shipped_notebooks().glob("*.ipynb"))}
    except WorkbenchError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if text not in shipped:
        raise argparse.ArgumentTypeError(f"there is no notebook {text!r}; there are {', '.join(shipped)}")
    return shipped[text]


def _audience(text: str) -> Path:
    """The notebook for those people."""
    if text not in _AUDIENCES:
        raise argparse.ArgumentTypeError(f"there is no page for {text!r}; there are those for {', '.join(_AUDIENCES)}")
    return _notebook(_AUDIENCES[text])


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return Path(text).absolute()


if __name__ == "__main__":
    main(sys.argv[1:])
