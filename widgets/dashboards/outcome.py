"""Searches, when a page asks for it, for a recipe with a wished outcome, beside the live sliders."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from widgets.controls.settings import shown
from widgets.dashboards.goals import Goals
from widgets.dashboards.part import Hear, Part, Send
from widgets.views.measures import measures
from widgets.views.outcome import stops, told
from workbench.compression.compressed import compress
from workbench.engine.assessment import costs
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import RecipeError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.search.goals import Goals as Wishes
from workbench.search.goals import Outcome
from workbench.search.outcome import search

_EVERY = 0.15  # seconds between two messages
_FIELDS = {"find": {"kind", "ask", "limits", "accuracy"}, "cancel": {"kind", "ask"}, "take": {"kind", "ask"},
           "stops": {"kind", "ask"}}  # fmt: skip


class Outcomes(Part):
    """Hears {"kind": "outcome", "ask"}: "stops" of the session's network, "find" with "limits", each a stop's value, by
    metric, and "accuracy" (a stop's, None for any), "cancel", and "take", which puts the controls at the best found so
    far.

    Says {"kind": "outcome", "model", "device", "stops"}, and {"kind": "outcome", "model", "running", "takes", "error"}
    with what `widgets.views.outcome.told` has to say. A search that reaches its goals puts the controls there at its
    end, unless they were moved meanwhile. What is looked for are the goals of the dashboard from then on.
    """

    def __init__(self, session: Session, send: Send, goals: Goals) -> None:
        super().__init__(session, send)
        self._goals = goals
        self._name = f"outcome {id(self)}"
        self._running: _Running | None = None
        self._forget = session.observe(self._updated)

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"outcome": self._asked}

    def hello(self) -> None:
        self._stops()
        if self._running is not None:
            self._running.say()

    def close(self) -> None:
        self._forget()
        self._session.drop(self._name)

    def _updated(self, update: Update) -> None:
        """A search of a network that was left is given up; it would take the time of the one that is shown."""
        if self._running is not None and update.newest and self._session.model is not self._running.model:
            self._session.drop(self._name)
            self._running = None

    def _asked(self, content: Mapping[str, Any]) -> None:
        ask = content.get("ask")
        if not isinstance(ask, str) or set(content) != _FIELDS.get(ask):
            raise RecipeError(f"An outcome can be asked to {', '.join(_FIELDS)}, not {shown(ask)}.")
        if ask == "stops":
            self._stops()
        elif ask == "find":
            self._find(content["limits"], content["accuracy"])
        elif self._running is not None and ask == "cancel":
            self._session.drop(self._name)
            self._running.end()
        elif self._running is not None:
            self._running.take()

    def _stops(self) -> None:
        model, device = self._session.model, self._session.device
        told = {"model": model.name, "device": device, "stops": stops(_original(model, device))}
        self._send({"kind": "outcome", **told}, [])

    def _find(self, limits: Any, accuracy: Any) -> None:
        model, device = self._session.model, self._session.device
        known = stops(_original(model, device))
        allowed = {one["metric"]: one["stops"][1:] for one in known["limits"]}
        if not isinstance(limits, dict) or not limits.keys() <= allowed.keys():
            raise RecipeError(f"What can be limited is {', '.join(allowed)}, not {shown(limits)}.")
        for wish, value, there in (
            *((name, value, allowed[name]) for name, value in limits.items()),
            ("accuracy", accuracy, known["accuracy"]),
        ):
            if isinstance(value, bool) or value not in [one["value"] for one in there]:
                raise RecipeError(f"The {wish} to look for is not one of its slider's stops: {shown(value)}.")
        wished = Wishes(limits, accuracy)
        asked = {**limits, **({} if accuracy is None else {"accuracy": accuracy})}
        others = {name: limit for name, limit in self._goals.limits.items() if name not in ("size", "accuracy")}
        self._goals.set({**others, **asked})
        self._running = _Running(self._session, self._send, model)
        steps = search(model, wished, device=device, newest=lambda: self._session.move)
        self._session.pursue(self._name, steps, self._running.found, self._running.ended)
        self._running.say()


class _Running:
    """One search. recipe: what the controls were at when it began, or were put at last."""

    def __init__(self, session: Session, send: Send, model: Model) -> None:
        self._session, self._send, self.model = session, send, model
        self._recipe = session.recipe  # when it began, or what it put the controls at
        self._outcome: Outcome | None = None
        self._over = False
        self._error = ""
        self._told = 0.0

    def found(self, outcome: Outcome) -> None:
        """On the session's worker."""
        improved = self._outcome is None or outcome.best is not self._outcome.best
        self._outcome = outcome
        if improved or time.monotonic() - self._told > _EVERY:
            self.say()

    def ended(self, failure: str) -> None:
        """On the session's worker."""
        self._over, self._error = True, failure
        self.say()
        untouched = self._session.recipe == self._recipe and self._session.model is self.model
        if not failure and untouched and self._outcome is not None and self._outcome.met:
            self.take()

    def end(self) -> None:
        """It was cancelled: the best so far stays."""
        if not self._over:
            self._over = True
            self.say()

    def take(self) -> None:
        """Put the controls at the best so far."""
        if self._outcome is not None and self._outcome.best is not None and self._session.model is self.model:
            self._recipe = self._outcome.best.recipe
            self._session.update(recipe=self._recipe)

    def say(self) -> None:
        self._told = time.monotonic()
        found = self._outcome
        content = {} if found is None else told(found, cancelled=self._over and found.phase != "done")
        takes = found is not None and found.best is not None and bool(found.best.recipe.steps)
        self._send(
            {
                "kind": "outcome",
                "model": self.model.name,
                "running": not self._over,
                "takes": takes,
                "error": self._error,
                **content,
            },
            [],
        )


def _original(model: Model, device: str) -> dict[str, float]:
    """What the network as it came has of each metric that a search can limit: those that its layers have parts in."""
    found = costs(compress(model, Recipe()), device).compressed.costs
    return {
        name: figure.value
        for name, figure in found.items()
        if name in measures() and figure.metric.less_is_better and figure.by_layer and figure.value > 0
    }
