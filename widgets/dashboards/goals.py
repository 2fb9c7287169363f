"""The goals of a dashboard: what an outcome may be at most, or must be at least; guard rails of the plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from widgets.controls.goals import measure, merged, read, typed
from widgets.dashboards.part import Hear, Part, Send
from widgets.views.goals import goal, limit_text
from widgets.views.measures import written
from widgets.views.points import original_point
from workbench.engine.session import Session
from workbench.errors import RecipeError


class Goals(Part):
    """One limit a measure, in its base unit: shares, bytes, MACs, joules, seconds.

    Hears {"kind": "goals", "limits"} with all of them, and {"kind": "goal", "metric", "text"} with one as it was typed.
    Says {"kind": "goals", "limits", "texts": the limits alone, "said": in words, "error"}, all by measure but the last.
    """

    def __init__(self, session: Session, send: Send) -> None:
        super().__init__(session, send)
        self._lock = RLock()
        self._limits: dict[str, float] = {}
        self._observers: list[Callable[[], None]] = []

    @property
    def limits(self) -> Mapping[str, float]:
        return self._limits

    def set(self, limits: Mapping[str, float]) -> None:
        """Take these instead of those that there were. Raises RecipeError."""
        checked = read(dict(limits))
        with self._lock:
            changed, self._limits = checked != self._limits, checked
        self._tell()
        if changed:
            for observer in self._observers:
                observer()

    def observe(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every change."""
        self._observers.append(callback)

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"goals": self._given, "goal": self._typed}

    def hello(self) -> None:
        self._tell()

    def _given(self, content: Mapping[str, Any]) -> None:
        self.set(read(content.get("limits")))

    def _typed(self, content: Mapping[str, Any]) -> None:
        """What cannot be read is said beside the field, and changes nothing."""
        metric = measure(content.get("metric"))
        try:
            limit = typed(content.get("text"), metric, self._like(metric.name))
        except RecipeError as error:
            self._tell(str(error))
            return
        self.set(merged(self._limits, metric.name, limit))

    def _like(self, name: str) -> str:
        """How the original's figure is written, which gives a bare number its unit."""
        report = self._session.report
        point = report and original_point(report)
        figure = point and point.figure(name, report.device) if report else None
        return written(figure.metric, figure.value) if figure else ""

    def _tell(self, error: str = "") -> None:
        limits = dict(self._limits)
        texts = {name: limit_text(name, limit) for name, limit in limits.items()}
        said = {name: goal(name, limit) for name, limit in limits.items()}
        self._send({"kind": "goals", "limits": limits, "texts": texts, "said": said, "error": error}, [])
