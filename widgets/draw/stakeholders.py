"""The page for people who decide: one widget, of which a page may write where its controls stand and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import anywidget
import traitlets

from widgets.draw import modules

_ENTRY = Path(__file__).parent / "stakeholders" / "stakeholders.js"


class StakeholdersPage(anywidget.AnyWidget):
    """catalogue: what never changes. state: all that the page shows. move: what its visitor wishes.

    `on_move` is given what a page wrote into `move`, `on_say` every message that it sent, both unchecked.
    """

    _esm = modules.script(_ENTRY)
    _css = modules.style(_ENTRY)

    catalogue = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    move = traitlets.Dict().tag(sync=True)

    def __init__(self, on_move: Callable[[Any], None], on_say: Callable[[Any], None], **values: Any) -> None:
        super().__init__(**values)
        self._on_move, self._on_say = on_move, on_say
        self._sending = Lock()
        self.on_msg(lambda _, content, buffers: self._on_say(content))

    def show(self, state: dict[str, Any]) -> None:
        """Send a new state, from any thread, in the order of the calls."""
        with self._sending:
            self.state = state

    def show_again(self) -> None:
        """What was sent while a page's script was loading has been lost."""
        with self._sending:
            self.send_state("state")

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What a page wrote reaches no trait; see `widgets.draw.panel.Panel`."""
        if "move" in sync_data:
            self._on_move(sync_data["move"])

    def offer(self, name: str, kind: str, content: bytes) -> None:
        """Have the page save a file. kind: its media type."""
        self.send({"kind": "file", "name": name, "type": kind}, [content])
