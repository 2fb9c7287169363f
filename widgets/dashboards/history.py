"""The part of the dashboard that knows what the places of a page's history are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any

from widgets.controls.position import Position
from widgets.controls.settings import LARGEST_NUMBER
from widgets.dashboards.outdated import outdated
from widgets.dashboards.part import Hear, Part, Send
from widgets.views.history import Place, entry, side_by_side
from widgets.views.points import Point, Points, compressed_point, visit
from workbench.devices.device import Device
from workbench.engine.refining import exact_reports
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import RecipeError, WorkbenchError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

MOST = 200  # places that a page may ask about at once
_MEASURES = 20.0  # seconds of work on places that were measured before the page was loaded anew


class History(Part):
    """Hears {"kind": "history", "number", "places", "pair"} and says {"kind": "history", "number", "places", "pair"}.

    places: {"position", "parent": where in the list the one lies that it was reached from, or None}. pair: where two of
    them lie, or []. Told are an entry for each, or {"error"} with a sentence, and the two side by side, or None. Says
    {"kind": "measured"} when something else is known than was told.

    A page keeps where the controls stood and nothing else: words and figures come from here, the latter of what was
    measured exactly in this session. What was not, of the network and device that it is at, is measured while nobody
    waits for anything.
    """

    def __init__(self, session: Session, send: Send, networks: Callable[[], list[str]]) -> None:
        super().__init__(session, send)
        self._networks = networks
        self._lock = RLock()
        self._points: Points = {}
        self._models: dict[str, Model] = {}  # that they are of
        self._forget = session.observe(self._updated)

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"history": self._asked}

    def close(self) -> None:
        self._forget()
        self._session.drop(f"history {id(self)}")

    def _updated(self, update: Update) -> None:
        """On the session's worker."""
        model = self._session.model
        if update.newest and self._models.setdefault(model.name, model) is not model:  # another under the same name
            self._models[model.name] = model
            self._session.drop(f"history {id(self)}")
            with self._lock:
                self._points = {key: one for key, one in self._points.items() if one.model != model.name}
        if update.stage == "training" and update.training is None and self._recheck():  # it is over
            self._send({"kind": "measured"}, [])
        if update.stage in ("exact", "latency"):
            self._keep(update.report)

    def _recheck(self) -> bool:
        """What was made with another result of a training is known no longer. Whether there was any."""
        with self._lock:
            gone = outdated(self._points, self._session.model)
            for key in gone:
                del self._points[key]
        return bool(gone)

    def _keep(self, report: Report | None) -> bool:
        point = None if report is None else compressed_point(report)
        if point is None or not point.exact:
            return False
        with self._lock:
            visit(self._points, point)
        return True

    def _asked(self, content: Mapping[str, Any]) -> None:
        number, given, pair = content.get("number"), content.get("places"), content.get("pair")
        if set(content) != {"kind", "number", "places", "pair"} or not _index(number, LARGEST_NUMBER):
            raise RecipeError("A question about the history must hold exactly number, places, pair.")
        if not isinstance(given, list) or len(given) > MOST or not all(map(_is_place, given)):
            raise RecipeError(f"The history must be a list of at most {MOST} places, each with position and parent.")
        self._recheck()
        places = [self._read(one["position"]) for one in given]
        entries = []
        for place, one in zip(places, given, strict=True):
            if isinstance(place, str):
                entries.append({"error": place})
                continue
            parent = places[one["parent"]] if _index(one["parent"], len(given) - 1) else None
            entries.append(entry(place, parent if isinstance(parent, Place) else None, self._known(place)))
        self._send({"kind": "history", "number": number, "places": entries, "pair": self._pair(places, pair)}, [])
        self._measure([place for place in places if isinstance(place, Place) and self._known(place) is None])

    def _pair(self, places: Sequence[Place | str], pair: Any) -> dict[str, Any] | None:
        if not isinstance(pair, list) or len(pair) != 2 or not all(_index(one, len(places) - 1) for one in pair):
            return None
        first, second = places[pair[0]], places[pair[1]]
        if not isinstance(first, Place) or not isinstance(second, Place):
            return None
        return side_by_side(first, second, (self._known(first), self._known(second)))

    def _known(self, place: Place) -> Point | None:
        with self._lock:
            return self._points.get((place.network, place.recipe["digest"]))

    def _measure(self, places: Sequence[Place]) -> None:
        session = self._session
        model, device = session.model, session.device
        wanted = [place for place in places if place.network == model.name]
        if not wanted:
            return
        recipes = [Recipe.from_object(place.recipe) for place in wanted]
        reports = exact_reports(model, recipes, device, session.images, _MEASURES, lambda: session.move)
        session.pursue(f"history {id(self)}", reports, self._measured, idle=True)

    def _measured(self, report: Report | None) -> None:
        """On the session's worker."""
        if self._keep(report):
            self._send({"kind": "measured"}, [])

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
