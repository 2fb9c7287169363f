"""What a notebook keeps of a dashboard, for whoever opens it without a kernel."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Timer
from typing import Any

from IPython.display import DisplayHandle, display

from widgets.views.saved import saved
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import WorkbenchError

_FIRST = 2.0  # seconds that a cell waits for its figures at most
_REST = 2.0  # seconds after the last move, before the table is written anew
_PAGE = "VOILA_BASE_URL"  # which Voila sets for its kernels: nobody saves a page of it


class Saved:
    """A table of its own below the panel, which the panel's style hides while it is live."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handle: DisplayHandle | None = None
        self._timer: Timer | None = None
        self._forget = session.observe(self._updated)

    def show(self) -> None:
        """Called where the panel is displayed."""
        if _PAGE in os.environ:
            return
        with suppress(TimeoutError, WorkbenchError):
            self._session.wait(_FIRST)
        if self._session.report is not None:
            self._handle = display(self._content(), raw=True, display_id=True)

    def close(self) -> None:
        self._forget()
        if self._timer is not None:
            self._timer.cancel()

    def _updated(self, update: Update) -> None:
        if self._handle is None or update.stage != "exact":
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = Timer(_REST, self._write)
        self._timer.daemon = True
        self._timer.start()

    def _write(self) -> None:
        if self._handle is not None:
            self._handle.update(self._content(), raw=True)

    def _content(self) -> dict[str, Any]:
        report = self._session.report
        assert report is not None  # once there is one there always is
        return {"text/html": saved(report), "text/plain": report.table()}
