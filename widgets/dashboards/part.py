"""A part of the dashboard beside the controls and their figures: what it hears from a page, and tells it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from workbench.engine.session import Session

Send = Callable[[dict[str, Any], list[bytes]], None]  # a message with its "kind", and its buffers
Hear = Callable[[Mapping[str, Any]], None]


class Part(ABC):
    """Made for each dashboard. It speaks by `send`, from any thread."""

    def __init__(self, session: Session, send: Send) -> None:
        self._session, self._send = session, send

    @property
    @abstractmethod
    def hears(self) -> Mapping[str, Hear]:
        """By kind of message. What a page says comes unchecked; a WorkbenchError becomes a sentence on the page."""

    def hello(self) -> None:  # noqa: B027 (few parts mind)
        """A page has been drawn, which knows nothing yet."""

    def close(self) -> None:  # noqa: B027
        """The dashboard is taken away; the session goes on."""
