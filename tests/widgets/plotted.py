"""What a page knows of the trade-off plot: every message taken in as the page does."""

import json
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 30


class Plotted:
    """messages: all that were sent. rows: digest -> the row told last. told: the last message about points."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.told: dict[str, Any] = {}

    def send(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.messages.append(content)
        if content["kind"] != "tradeoff":
            return
        json.dumps(content, allow_nan=False)  # a page knows no infinity
        if content["anew"]:
            self.rows.clear()
        for digest in content["gone"]:
            del self.rows[digest]
        self.rows.update({row["digest"]: row for row in content["rows"]})
        self.told = content

    def last(self, kind: str) -> dict[str, Any]:
        return next(one for one in reversed(self.messages) if one["kind"] == kind)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the session's worker does in idle time."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, "the worker did not do it in time"
            time.sleep(0.01)
