"""Voila with this project's page, settings and one more address, for Plotly's script."""

from __future__ import annotations

from typing import Any

from voila.app import Voila

from widgets.server.bundle import bundle_handlers
from widgets.server.paths import CONFIG

# The browser itself refuses whatever would leave this server.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws://localhost:* ws://127.0.0.1:* blob: data:",
        "worker-src 'self' blob:",
        "frame-ancestors 'self'",
    )
)


class DashboardServer(Voila):
    """Its settings are those beside this file, whatever else a machine's Jupyter folders say."""

    def _config_file_paths_default(self) -> list[str]:
        return [str(CONFIG)]

    def init_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = super().init_settings()
        # Voila answers to any host name, which would let another page reach it by rebinding its own.
        headers = {"Content-Security-Policy": _POLICY}
        return {**settings, "allow_remote_access": False, "headers": headers, "compress_response": True}

    def init_handlers(self) -> list[Any]:
        return [*bundle_handlers(self.server_url), *super().init_handlers()]
