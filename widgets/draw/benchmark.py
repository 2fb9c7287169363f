"""The picture of the kernel benchmark: marks on a logarithmic axis, drawn by the page with nothing but elements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import anywidget
import traitlets

from widgets.draw import modules

_ENTRY = Path(__file__).parent / "benchmark" / "benchmark.js"


class BenchmarkPicture(anywidget.AnyWidget):
    """state: {"benchmark", "running", "stopping", "status", "error"}. A page may ask for the state, and to stop."""

    _esm = modules.script(_ENTRY)
    _css = modules.style(_ENTRY)

    state = traitlets.Dict().tag(sync=True)

    def __init__(self, on_stop: Callable[[], None], state: dict[str, Any]) -> None:
        super().__init__(state=state)
        self._on_stop = on_stop
        self._sending = Lock()
        self.on_msg(self._asked)

    def show(self, state: dict[str, Any]) -> None:
        """Send a new state, from any thread, in the order of the calls."""
        with self._sending:
            self.state = state

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What a page wrote reaches no trait."""

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        """A page that has just been drawn says "hello": what was sent while its script was loading has been lost."""
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "hello":
            with self._sending:
                self.send_state("state")
        elif kind == "stop":
            self._on_stop()
