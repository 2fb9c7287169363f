"""Jupyter Server extension: lets JupyterLab's server hand out Plotly's script too."""

from __future__ import annotations

from typing import Any

from widgets.server.bundle import bundle_handlers


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "widgets.server.extension"}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.web_app.add_handlers(".*$", bundle_handlers(server.web_app.settings["base_url"]))
