"""Netron, as it lies in the installed package, on one exported file a token: nothing but these files can be reached.

Netron by itself asks a host for the visitor's country and for consent to telemetry, sends that, and stops working half
a year after it was built. Here it is told that it is a copy without a version or a date, which sends nothing and never
ages, and that consent has been dealt with; and the policy of its pages lets the browser connect to this server alone.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from widgets.dashboards.exports import TOKEN, find

ADDRESS = "/workbench/netron"
_MODEL = "data/model.onnx"
_KINDS = {
    "css": "text/css", "html": "text/html; charset=utf-8", "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8", "json": "application/json", "png": "image/png",
}  # fmt: skip
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "frame-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)


class Netron(JupyterHandler):
    """GET {base}/workbench/netron/{token}/{file}: a file of Netron's, or the one of that token."""

    @property
    def content_security_policy(self) -> str:
        return _POLICY

    @web.authenticated
    def get(self, token: str, name: str) -> None:
        exported = find(token)
        if exported is None:
            raise web.HTTPError(404, "This file is shown no longer; open it again from the page.")
        self.set_header("Cache-Control", "private, no-cache")
        if name == _MODEL:
            self.set_header("Content-Type", "application/octet-stream")
            self.finish(exported.read_bytes())
            return
        name = name or "index.html"
        known = _files().get(name)
        if known is None:
            raise web.HTTPError(404)
        self.set_header("Content-Type", _KINDS[name.rpartition(".")[2]])
        if name == "index.html":
            self.set_cookie("consent", "nothing-is-sent", path=self.request.path, samesite="Strict")
            self.finish(_page(exported.name))
        else:
            self.finish(known.read_bytes())


@cache
def _files() -> dict[str, Any]:
    """Netron's files by name; those of other kinds, its Python among them, are not served."""
    return {one.name: one for one in files("netron").iterdir() if one.name.rpartition(".")[2] in _KINDS}


def _page(title: str) -> str:
    """Netron's own page, opened on the file of its token."""
    page = files("netron").joinpath("index.html").read_text(encoding="utf-8")
    told = {"type": "Python", "version": "0.0.0", "file": _MODEL, "name": title, "identifier": title}
    facts = "".join(f'<meta name="{key}" content="{escape(value)}">\n' for key, value in told.items())
    plain = re.sub(r'<meta name="(?:version|date|type)"[^>]*>\n?', "", page)
    return plain.replace("<title>", f"{facts}<title>", 1)


def netron_handlers(base_url: str) -> list[tuple[str, Any]]:
    """For a tornado application."""
    return [(url_path_join(base_url, ADDRESS, rf"/({TOKEN})/(.*)"), Netron)]
