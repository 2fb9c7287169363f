"""Plotly's script from this server, once a browser: its address changes with its version, so it may be kept."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from widgets.draw.plotly_bundle import bundle_tag, compressed_bundle


class PlotlyBundle(JupyterHandler):
    """GET {base}/workbench/plotly/{version}.js."""

    @web.authenticated
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        self.finish(compressed_bundle())


def bundle_handlers(base_url: str) -> list[tuple[str, Any]]:
    """For a tornado application: the address that the page asks for."""
    return [(url_path_join(base_url, f"/workbench/plotly/{bundle_tag()}.js"), PlotlyBundle)]
