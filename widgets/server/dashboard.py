"""Voila with this project's page and settings, and addresses for Plotly's script and for Netron."""

from __future__ import annotations

import os
import signal
import webbrowser
from threading import Thread
from typing import Any, ClassVar

from jupyter_server import DEFAULT_STATIC_FILES_PATH
from voila.app import Voila
from voila.static_file_handler import AllowListFileHandler, TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from widgets.dashboards import exports
from widgets.server.bundle import bundle_handlers
from widgets.server.kernels import Kernels
from widgets.server.netron import netron_handlers
from widgets.server.page import Page, TemplateFile
from widgets.server.paths import CONFIG
from workbench.engine import turns

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
_IN_PLACE_OF = {TornadoVoilaHandler: Page, TemplateStaticFileHandler: TemplateFile}


class DashboardServer(Voila):
    """Its settings are those beside this file, whatever else a machine's Jupyter folders say."""

    classes: ClassVar[list[type]] = [*Voila.classes, Kernels]

    def _config_file_paths_default(self) -> list[str]:
        return [str(CONFIG)]

    def init_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = super().init_settings()
        self.contents_manager.notary.secret = os.urandom(32)  # which would be kept in the user's home
        # Voila answers to any host name, which would let another page reach it by rebinding its own.
        headers = {"Content-Security-Policy": _POLICY}
        return {
            **settings,
            "allow_remote_access": False,
            "headers": headers,
            "compress_response": True,
            "static_path": DEFAULT_STATIC_FILES_PATH,  # pages of Jupyter's own handlers, as at an error, need it
        }

    def init_handlers(self) -> list[Any]:
        handlers = [
            (address, _IN_PLACE_OF.get(handler, handler), *given)
            for address, handler, *given in super().init_handlers()
            if handler is not AllowListFileHandler  # files of the notebooks' folder, which no page shows
        ]
        return [*bundle_handlers(self.server_url), *netron_handlers(self.server_url), *handlers]

    def initialize(self, argv: list[str] | None = None) -> None:
        exports.begin()  # before there is a kernel, which is told of it
        turns.begin()
        super().initialize(argv)
        signal.signal(signal.SIGINT, self._handle_signal_stop)

    def _handle_signal_stop(self, sig: int, frame: Any) -> None:
        """Ends the kernels in the loop that began them, where those that are just starting can finish it.

        Voila ends them in another loop, once this one has stopped, and fails at such a kernel. A second signal ends the
        server at once.
        """
        signal.signal(sig, signal.SIG_DFL)
        self.ioloop.add_callback_from_signal(self._end)

    async def _end(self) -> None:
        await self.kernel_manager.shutdown_all()
        self.ioloop.stop()

    def launch_browser(self) -> None:
        """Opens the address itself. Voila opens a file that leads there, which is another site's page."""
        try:
            browser = webbrowser.get(self.browser or None)
        except webbrowser.Error as error:
            self.log.warning("No web browser found: %s.", error)
        else:
            Thread(target=browser.open, args=(self.connection_url, self.webbrowser_open_new)).start()
