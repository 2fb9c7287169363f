"""The commands `workbench dashboard` and `workbench lab`, entry points of the group `workbench.commands`."""

from __future__ import annotations

import os
import subprocess
import sys

import click

_OWN_OPTIONS = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=_OWN_OPTIONS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dashboard(arguments: tuple[str, ...]) -> None:
    """Open the dashboard in the browser (Voila)."""
    _serve("dashboard", arguments)


@click.command(context_settings=_OWN_OPTIONS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(arguments: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks."""
    _serve("lab", arguments)


def _serve(page: str, arguments: tuple[str, ...]) -> None:
    """Become the server: Jupyter's read their settings, and torch's threads start, in a clean process.

    So a signal to the command is one to the server; Windows has no such way, and no such signals.
    """
    command = [sys.executable, "-m", "widgets.server", page, *arguments]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)
