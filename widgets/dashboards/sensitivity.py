"""Measures, when a page asks for it, how much each layer minds being compressed alone, beside the live sliders."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from widgets.controls.settings import shown
from widgets.controls.sliders import sliders
from widgets.dashboards.part import Hear, Part
from widgets.views import numbers
from widgets.views.sensitivity import layers
from workbench.errors import RecipeError
from workbench.method import AXES, AxisName
from workbench.network.model import Model
from workbench.search.sensitivity import STOPS, Piece, Sensitivity, sensitivity

_IMAGES = 2000  # validation images at most: on so many a change of half a point shows
_EVERY = 0.1  # seconds between two messages


class Sensitivities(Part):
    """Hears {"kind": "sensitivity", "axis"}, where no axis ends it, and says how it stands in messages of that kind.

    A message: {"kind", "model", "axis", "stops", "progress", "done", "status"} and what `widgets.views.sensitivity` has
    to say of every layer measured so far, each cell with its stop of the slider. What was measured before in this
    process is not measured again.
    """

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"sensitivity": self._asked}

    def close(self) -> None:
        self._session.drop(self._name)

    @property
    def _name(self) -> str:
        return f"sensitivity {id(self)}"

    def _asked(self, content: Mapping[str, Any]) -> None:
        axis: AxisName | None = content.get("axis")
        if set(content) != {"kind", "axis"} or not (axis is None or (isinstance(axis, str) and axis in AXES)):
            raise RecipeError(f"Sensitivity is measured along {', '.join(AXES)}, not {shown(axis)}.")
        self._session.drop(self._name)
        if axis is not None:
            running = _Running(self, self._session.model, axis)
            steps = sensitivity(running.model, axis, images=_IMAGES, newest=lambda: self._session.move)
            self._session.pursue(self._name, steps, running.found, running.ended)
            running.say()

    def say(self, content: dict[str, Any]) -> None:
        self._send({"kind": "sensitivity", **content}, [])


class _Running:
    """One measurement of all layers along one axis."""

    def __init__(self, part: Sensitivities, model: Model, axis: AxisName) -> None:
        self._part, self.model, self._axis = part, model, axis
        self._found: list[Sensitivity] = []
        self._share = 0.0
        self._begun = self._told = time.monotonic()

    def found(self, piece: Piece) -> None:
        """On the session's worker."""
        self._share = piece.share
        if piece.found is not None:
            self._found.append(piece.found)
            if time.monotonic() - self._told > _EVERY:
                self.say()

    def ended(self, failure: str) -> None:
        self.say(done=True, failure=failure)

    def say(self, done: bool = False, failure: str = "") -> None:
        self._told = time.monotonic()
        slider = sliders()[self._axis]
        told = layers(self._found, self._axis)
        for row in told["layers"]:
            for cell in row["cells"]:
                cell["stop"] = slider.stop(cell.pop("value"))
        stops = [
            {"stop": slider.stop(value), "text": numbers.on_axis(AXES[self._axis], value)}
            for value in STOPS[self._axis]
        ]
        self._part.say(
            {
                "model": self.model.name,
                "axis": self._axis,
                "stops": stops,
                "progress": self._share,
                "done": done,
                "status": failure or self._status(done),
                **told,
            }
        )

    def _status(self, done: bool) -> str:
        if done:
            images = self._found[0].images if self._found else 0
            return f"Each layer alone, measured on {images:,} validation images"
        if not self._share:
            return "Measuring each layer alone…"
        left = (time.monotonic() - self._begun) * (1 / self._share - 1)
        return f"Measuring each layer alone, {self._share:.0%}, about {max(1, round(left))} s left"
