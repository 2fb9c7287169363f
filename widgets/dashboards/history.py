"""The part of the dashboard that knows what the places of a page's history are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from widgets.controls.position import Position
from widgets.controls.settings import LARGEST_NUMBER
from widgets.dashboards.part import Hear, Part, Send
from widgets.views.history import Place, Reading, entry, readings, side_by_side
from workbench.devices.device import Device
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import RecipeError, WorkbenchError

MOST = 200  # places that a page may ask about at once
_REMEMBERED = 2000  # places whose figures are kept


class History(Part):
    """Hears {"kind": "history", "number", "places", "pair"} and says {"kind": "history", "number", "places", "pair"}.

    places: {"position", "parent": where in the list the one lies that it was reached from, or None}. pair: where two of
    them lie, or []. Told are an entry for each, or {"error"} with a sentence, and the two side by side, or None.

    A page keeps where the controls stood and nothing else: words and figures come from here, the latter of what was
    measured exactly in this session.
    """

    def __init__(self, session: Session, send: Send, networks: Callable[[], list[str]]) -> None:
        super().__init__(session, send)
        self._networks = networks
        self._lock = Lock()
        self._known: dict[tuple[str, str, str], list[Reading]] = {}
        self._forget = session.observe(self._updated)

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"history": self._asked}

    def close(self) -> None:
        self._forget()

    def _updated(self, update: Update) -> None:
        """On the session's worker."""
        report = update.report
        if update.stage != "exact" or report is None:
            return
        with self._lock:
            key = report.model, report.device, report.recipe["digest"]
            self._known.pop(key, None)
            self._known[key] = readings(report)
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]

    def _asked(self, content: Mapping[str, Any]) -> None:
        number, given, pair = content.get("number"), content.get("places"), content.get("pair")
        if set(content) != {"kind", "number", "places", "pair"} or not _index(number, LARGEST_NUMBER):
            raise RecipeError("A question about the history must hold exactly number, places, pair.")
        if not isinstance(given, list) or len(given) > MOST or not all(map(_is_place, given)):
            raise RecipeError(f"The history must be a list of at most {MOST} places, each with position and parent.")
        places = [self._read(one["position"]) for one in given]
        entries = []
        for place, one in zip(places, given, strict=True):
            if isinstance(place, str):
                entries.append({"error": place})
                continue
            parent = places[one["parent"]] if _index(one["parent"], len(given) - 1) else None
            entries.append(entry(place, parent if isinstance(parent, Place) else None, self._figures(place)))
        self._send({"kind": "history", "number": number, "places": entries, "pair": self._pair(places, pair)}, [])

    def _pair(self, places: list[Place | str], pair: Any) -> dict[str, Any] | None:
        if not isinstance(pair, list) or len(pair) != 2 or not all(_index(one, len(places) - 1) for one in pair):
            return None
        two = [place for place in (places[pair[0]], places[pair[1]]) if isinstance(place, Place)]
        return side_by_side(two, [self._figures(place) for place in two]) if len(two) == 2 else None

    def _figures(self, place: Place) -> list[Reading]:
        with self._lock:
            return self._known.get(place.key, [])

    def _read(self, content: Any) -> Place | str:
        """Or why it is none: a network of another day may be gone."""
        try:
            position = Position.read(content, self._networks(), Device.names())
            recipe = position.recipe()
        except WorkbenchError as error:
            return str(error)
        return Place(position.model, position.device, {**recipe.to_object(), "digest": recipe.digest})


def _is_place(one: Any) -> bool:
    return isinstance(one, dict) and set(one) == {"position", "parent"}


def _index(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
