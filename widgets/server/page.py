"""The dashboard's page, for whoever asks for it themselves: each one begins a kernel, so no other site may ask."""

from __future__ import annotations

from typing import Any

from tornado import web
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler


class Page(TornadoVoilaHandler):
    """GET {base}/, in the place of Voila's own handler."""

    @web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Answers 403 to what another site's page asks for, 404 at any other address, 503 where there is no room."""
        if path:
            raise web.HTTPError(404)
        site = self.request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") or not self.check_origin():
            raise web.HTTPError(403, "The page of another site led here, and may not begin what this one runs.")
        await self.kernel_manager.admit()
        _ = self.xsrf_token  # sets the cookie with which the page may end its kernel when it is closed
        await super().get(path)

    def write_error(self, status_code: int, **given: Any) -> None:
        if status_code == 503:
            self.set_header("Retry-After", "10")
        super().write_error(status_code, **given)


class TemplateFile(TemplateStaticFileHandler):
    """GET {base}/voila/templates/{template}/static/{file}; what is no such address is not found."""

    async def get(self, path: str, include_body: bool = True) -> None:
        try:
            await super().get(path, include_body)
        except (ValueError, AssertionError, UnboundLocalError):  # Voila takes the address apart unchecked
            raise web.HTTPError(404) from None
