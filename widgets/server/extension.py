"""Jupyter Server extension: lets JupyterLab's server hand out Plotly's script, and Netron on exported files, too."""

from __future__ import annotations

from typing import Any

from widgets.dashboards import exports
from widgets.server.bundle import bundle_handlers
from widgets.server.netron import netron_handlers
from workbench.engine import turns


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "widgets.server.extension"}]


def _load_jupyter_server_extension(server: Any) -> None:
    exports.begin()
    turns.begin()
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [*bundle_handlers(base), *netron_handlers(base)])
