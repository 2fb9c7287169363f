"""What the page is told ahead: the costs at every stop of the sliders that are likely to be moved next."""

from __future__ import annotations

import json
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

from widgets.controls.position import Place, Position
from widgets.controls.sliders import ORDER, Slider
from widgets.views.recipe import describe
from widgets.views.tiles import cost_tiles
from workbench.engine.session import Session
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_AHEAD = 5.0  # seconds of working out what may come next
_TELLS = 0.1  # seconds between two messages
_MOST = 1000  # positions that a page is taken to remember


@dataclass(frozen=True)
class _Line:
    """Every stop of one slider, with all other controls where `position` has them."""

    position: Position
    place: Place

    @property
    def stops(self) -> Iterator[int]:
        """From where the slider stands outwards."""
        slider, now = Slider.of(self.place[0]), self.position.stop(self.place)
        return iter(sorted(range(slider.low, slider.high + 1), key=lambda stop: abs(stop - now)))


class Foresight:
    """Has `session` foresee costs and sends them, so that a slider moved there is answered without asking again.

    Each figure goes with the whole position that it is of, and comes from what answers the move itself. Every position
    is sent once. Safe to use from several threads.
    """

    def __init__(self, session: Session, send: Callable[[dict[str, Any], list[bytes]], None]) -> None:
        self._session, self._send = session, send
        self._lock = Lock()
        self._heard = False  # whether there is a page
        self._place: Place = (ORDER[0], None)
        self._lines: deque[tuple[_Line, Iterator[int]]] = deque()
        self._due: float | None = None  # when to end
        self._known: dict[str, None] = {}  # keys of positions, those asked for last at the end
        self._taken: Position | None = None  # what the session is at
        self._pending: list[str] = []
        self._told = 0.0

    def begin(self) -> None:
        """A page has been drawn, which holds nothing yet."""
        with self._lock:
            self._heard = True
            self._known.clear()
            self._taken = None

    def forget(self) -> None:
        """A name now stands for another network: what was sent under it is void."""
        with self._lock:
            self._known.clear()
            self._pending.clear()
            self._lines.clear()
            self._taken = None
            self._send({"kind": "forget"}, [])

    def reach(self, place: Place) -> None:
        """The slider that is likely to be moved next: the one moved last, or the one that the pointer is on."""
        with self._lock:
            self._place = place

    def look(self, model: Model, position: Position, further: bool) -> None:
        """Foresee from `position` on, along the likely slider first; `further`: along the other global ones, too.

        The first position with a rank takes the singular values of every layer, seconds for a large network, so ranks
        are foreseen when that slider is likely to be moved or has been.
        """
        with self._lock:
            if not self._heard:
                return
            axis, layer = self._place
            if layer is not None and layer not in {one.name for one in model.layers}:
                self._place = (axis, None)
            places = {self._place: None}
            if further:
                places |= {(one, None): None for one in ORDER if one != "rank" or not _is_off(position)}
            if self._taken is not None:  # which the session leaves for this
                self._known.pop(self._taken.key, None)
                self._taken = None
            lines = self._lines = deque((line, line.stops) for line in (_Line(position, place) for place in places))
            self._due = None
        self._session.foresee(model, position.device, iter(lambda: self._next(lines), None), self._found)

    def _next(self, lines: deque[tuple[_Line, Iterator[int]]]) -> Recipe | None:
        """On the session's worker: the recipe of the next position that is not known yet."""
        with self._lock:
            if lines is not self._lines:
                return None  # others, maybe of another network, have come in between
            self._taken = None
            self._due = self._due or time.monotonic() + _AHEAD
            while lines and time.monotonic() < self._due:
                line, stops = lines[0]
                for stop in stops:
                    position = line.position.at(line.place, stop)
                    if not self._remembered(position.key):
                        self._taken = position
                        return position.recipe()
                lines.popleft()
            self._tell()
            return None

    def _remembered(self, key: str) -> bool:
        known = self._known.pop(key, self) is None
        self._known[key] = None
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        return known

    def _found(self, recipe: Recipe, report: Report) -> None:
        """On the session's worker, of what it was given last."""
        with self._lock:
            if self._taken is None:
                return
            content = {"position": self._taken.to_dict(), **foreseen(report)}
            self._taken = None
            self._pending.append(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
            if time.monotonic() - self._told > _TELLS:
                self._tell()

    def _tell(self) -> None:
        if self._pending:
            content = f"[{','.join(self._pending)}]"
            self._send({"kind": "ahead"}, [zlib.compress(content.encode(), 1)])
            self._pending.clear()
        self._told = time.monotonic()


def foreseen(report: Report) -> dict[str, Any]:
    """What the page draws of `report` where its accuracy is not known: {"recipe", "kind", "tiles"}, as in its state."""
    return {"recipe": describe(report.recipe), "kind": report.kind, "tiles": cost_tiles(report)}


def _is_off(position: Position) -> bool:
    """Whether no layer has a rank."""
    ranks = [position.stops["rank"], *(own["rank"] for own in position.overrides.values() if "rank" in own)]
    return all(stop == Slider.of("rank").off for stop in ranks)
