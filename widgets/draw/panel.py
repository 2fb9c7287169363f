"""The live panel: one widget for selectors, sliders, tiles, layers, trade-off plot, export and progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import anywidget
import traitlets

from widgets.draw import modules
from widgets.draw.plotly_bundle import compressed_bundle

_ENTRY = Path(__file__).parent / "panel" / "panel.js"


class Panel(anywidget.AnyWidget):
    """Three values travel, each as one message.

    catalogue: what never changes (models, devices, sliders, words), sent once. state: all that the page shows, sent at
    every update. move: where the visitor put the controls, the only one that the page may write; it goes to `on_move`
    unchecked.

    What else a page says comes as messages with a "kind": "hello" when it has been drawn, and what the parts of the
    dashboard hear. Each goes, as unchecked, to `on_say`.
    """

    _esm = modules.script(_ENTRY)
    _css = modules.style(_ENTRY)

    catalogue = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    move = traitlets.Dict().tag(sync=True)

    def __init__(self, on_move: Callable[[Any], None], on_say: Callable[[dict[str, Any]], None], **values: Any) -> None:
        super().__init__(**values)
        self._on_move, self._on_say = on_move, on_say
        self._sending = Lock()
        self.on_msg(self._asked)

    def show(self, **values: dict[str, Any]) -> None:
        """Send a new value of `state`, from any thread, in the order of the calls."""
        with self._sending:
            for name, value in values.items():
                setattr(self, name, value)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What a page wrote. It reaches no trait: only `move` is heard, and whoever hears it checks it.

        Going around the traits also keeps a worker thread's `state` from being held back, and lost, while ipywidgets
        holds notifications to apply a page's message.
        """
        if "move" in sync_data:
            self._on_move(sync_data["move"])

    def offer(self, name: str, content: bytes) -> None:
        """Have the page save a file."""
        self.send({"kind": "file", "name": name}, [content])

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        """A page that has just been drawn says "hello": what was sent while its script was loading has been lost."""
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "hello":
            with self._sending:
                self.send_state("state")
        if kind == "plotly":
            self.send({"kind": "plotly"}, [compressed_bundle()])
        elif isinstance(kind, str):
            self._on_say(content)
