"""Writes what a page asked for as a file, on a thread of its own, so that moves go on meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock, Thread

from workbench.errors import WorkbenchError
from workbench.names import sentence

_log = logging.getLogger(__name__)


class Writing:
    """One file at a time: a page that asks again and again takes neither the processor nor the memory for it."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        """failed: called with a sentence, on the thread that wrote."""
        self._failed = failed
        self._busy = Lock()

    def begin(self, write: Callable[[], None]) -> None:
        """Raises WorkbenchError while an earlier one is being written."""
        if not self._busy.acquire(blocking=False):
            raise WorkbenchError("A file is being written already; ask for the next one when it is there.")
        try:
            Thread(target=self._run, args=(write,), daemon=True).start()
        except BaseException:
            self._busy.release()
            raise

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (WorkbenchError, OSError) as error:
            self._failed(sentence(f"The file could not be written: {error}"))
        except Exception as error:  # the page goes on whatever a user's module does
            _log.exception("a file could not be written")
            self._failed(sentence(f"The file could not be written: {type(error).__name__}: {error}"))
        finally:
            self._busy.release()
