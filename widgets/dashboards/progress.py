"""A bar for work in a notebook's cell: how far it is, how long it still takes."""

from __future__ import annotations

import time

import ipywidgets
from IPython.display import display

from widgets.views.training import left


class Progress:
    """Given as `progress=`: called with the share that is done, 0..1. It appears at the first call.

    Interrupting the kernel ends a sweep, which keeps what it has measured.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: ipywidgets.FloatProgress | None = None
        self._begun = self._told = 0.0

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if self._bar is None:
            self._bar = ipywidgets.FloatProgress(max=1.0, description=self._title, style={"description_width": "auto"})
            self._words = ipywidgets.Label()
            self._begun = now
            display(ipywidgets.HBox([self._bar, self._words]))
        if share < 1.0 and now - self._told < 0.1:
            return
        self._told, self._bar.value = now, share
        spent = now - self._begun
        ahead = left(spent / share * (1 - share)) if share > 0 else ""
        self._words.value = f"{share:.0%}, {ahead}" if share < 1.0 else f"done in {spent:.0f} s"
