"""The dashboard: a session, its controls and its picture, in a notebook or under Voila."""

from __future__ import annotations

import logging
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import RLock, Thread
from typing import Any, ClassVar

from IPython.display import display

from widgets.controls.position import Position
from widgets.controls.refusals import refusals
from widgets.controls.settings import LARGEST_NUMBER, shown
from widgets.dashboards.expecting import Expecting
from widgets.dashboards.foresight import Foresight
from widgets.dashboards.goals import Goals
from widgets.dashboards.history import History
from widgets.dashboards.moves import Moves
from widgets.dashboards.outcome import Outcomes
from widgets.dashboards.part import Hear, Part
from widgets.dashboards.picture import Pictures
from widgets.dashboards.plot import Plot
from widgets.dashboards.recipe_text import RecipeText
from widgets.dashboards.saved import Saved
from widgets.dashboards.screen import catalogue, screen
from widgets.dashboards.sensitivity import Sensitivities
from widgets.dashboards.writing import Writing
from widgets.draw.panel import Panel
from widgets.views.training import training
from workbench.compression.compressed import compress
from workbench.devices.device import Device
from workbench.engine.listener import Listener, Training
from workbench.engine.running import Follower
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import RecipeError, WorkbenchError
from workbench.kernels.compiler.watch import Compiling, observe
from workbench.method import AXES
from workbench.models import zoo
from workbench.names import sentence
from workbench.network.model import Model, load
from workbench.recipe import Recipe

_log = logging.getLogger(__name__)
ASKS = ("cancel", "export", "latency", "train", "stop", "follow")  # what a page may ask for, each by the move that does
_FIELDS = ("seq", "position", *ASKS)
_PROGRESS_EVERY = 0.1  # seconds; drawing every batch would take the processor from the network that is being run


class Dashboard:
    """Shows `session` and moves it. Display it as the last line of a cell.

    Moves come from the page on one thread or another, reports from the session's worker; one lock orders them. A page
    numbers its moves, and what does not answer its newest number is never shown as current.

    pieces: what is shown; the classes of `widgets.dashboards.pieces` show one each.
    """

    pieces: ClassVar[tuple[str, ...]] = (
        "header", "sliders", "outcome", "steps", "welcome", "tiles", "strip",
        "tradeoff", "weights", "answers", "trial", "layers", "graph", "speed", "history", "glossary",
    )  # fmt: skip

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = RLock()
        self._own = None if session.model.name in zoo.listed() else session.model
        self._models: dict[str, Model] = {session.model.name: session.model}
        self._moves = Moves()
        self._heard = dict.fromkeys(ASKS, 0)  # the last move that asked for each
        self._timing = False  # whether latency was asked for and is not there yet
        self._job: Listener | None = None
        self._training: Training | None = None  # what runs, whoever began it
        self._ending = False  # whether it was cancelled
        self._refusal = self._preparing = ""
        self._shown = 0.0
        self._position = Position(session.model.name, session.device)
        self._position, self._foreign = self._session_position()
        self.panel = Panel(self._moved, self._said, catalogue=catalogue(self._own, self.pieces), state=self._screen())
        self._foresight = Foresight(session, self.panel.send)
        send = self.panel.send
        goals = Goals(session, send)
        self._parts: tuple[Part, ...] = (
            Pictures(session, send),
            RecipeText(session, send),
            Expecting(session, send),
            History(session, send, lambda: list(self._names())),
            goals,
            Outcomes(session, send, goals),
            Sensitivities(session, send),
        )
        if "tradeoff" in self.pieces:
            self._parts += (Plot(session, send, goals),)
        self._saved = Saved(session)
        self._writing = Writing(self._refuse)
        self._hears: dict[str, Hear] = {"hello": self._drawn, "reach": self._reached}
        for part in self._parts:
            self._hears |= part.hears
        with self._lock:
            self._forget = session.observe(self._updated)
            self._unwatch = observe(self._compiling)
            self._moves.made = session.update()

    def _ipython_display_(self) -> None:
        display(self.panel)
        if "tiles" in self.pieces:
            self._saved.show()

    def close(self) -> None:
        """Take the page away; the session goes on."""
        self._forget()
        self._unwatch()
        self._saved.close()
        for part in self._parts:
            part.close()
        self.panel.close()

    def _moved(self, content: Any) -> None:
        """A page's move, as it came."""
        self._hear(self._make, content)

    def _hear(self, hear: Callable[[Any], None], content: Any) -> None:
        """Anything wrong becomes a sentence on the page."""
        with self._lock:
            try:
                hear(content)
            except WorkbenchError as error:
                self._refuse(str(error))
            except Exception as error:  # the page goes on whatever it was asked
                _log.exception("what a page said could not be done")
                self._refuse(sentence(f"That could not be done: {type(error).__name__}: {error}"))

    def _said(self, content: dict[str, Any]) -> None:
        """A message of a page."""
        hear = self._hears.get(content["kind"])
        if hear is not None:
            self._hear(hear, content)

    def _drawn(self, _: Mapping[str, Any]) -> None:
        """A page has been drawn, which holds nothing yet."""
        for part in self._parts:
            part.hello()
        self._foresight.begin()
        if self._job is None:  # a kernel may have waited for its page since before a training began
            self._follow(self.session.follow_training())
        self._foresee(further=self._moves.last.stage in ("exact", "cancelled"))

    def _reached(self, content: Mapping[str, Any]) -> None:
        """The visitor of a page has come to a slider."""
        axis = next((name for name in AXES if name == content.get("axis")), None)
        layer = content.get("layer")
        if axis is not None and (layer is None or isinstance(layer, str)):
            self._foresight.reach((axis, layer))
            self._foresee(further=self._moves.last.stage in ("exact", "cancelled"))

    def _foresee(self, further: bool) -> None:
        if not self._foreign:
            self._foresight.look(self._model(self._position.model), self._position, further)

    def _make(self, content: Any) -> None:
        if not isinstance(content, dict) or set(content) != set(_FIELDS):
            raise RecipeError(f"A move must hold exactly {', '.join(_FIELDS)}.")
        seq = _number("seq", content["seq"])
        asks = {name: _number(name, content[name]) for name in ASKS}
        if not self._moves.newer(seq):
            return
        position = Position.read(content["position"], list(self._names()), Device.names())
        asked = [name for name, number in asks.items() if number > self._heard[name]]
        self._heard.update({name: asks[name] for name in asked})
        if position != self._position or (self._foreign and not asked):
            self._moves.make(self.session.update(self._model(position.model), position.recipe(), position.device))
            place = position.moved(self._position)
            if place is not None:
                self._foresight.reach(place)
            self._position, self._foreign, self._timing = position, False, False
            self._refusal = ""
        if "cancel" in asked:
            self.session.cancel()
        if "latency" in asked:
            self._timing = True
            self._refusal = ""
            self.session.measure_latency()
        if "export" in asked:
            self._refusal = ""
            self._writing.begin(partial(self._export, self.session.model, self.session.recipe))
        if "train" in asked and self._job is None:
            self._refusal = ""
            self._job = self.session.train()  # which may be refused
            self._training, self._ending = Training(self.session.model.name, self.session.recipe), False
        if "stop" in asked and self._job is not None:
            self._ending = True
            self._job.cancel()
        if "follow" in asked and self._training is not None:
            self._refusal = ""
            self.session.update(self._model(self._training.model), self._training.recipe)
        if self._moves.known:
            self._show()

    def _follow(self, follower: Follower | None) -> None:
        if follower is not None:
            self._job, self._training = follower, follower.training
            self._show()

    def _trains(self, update: Update) -> None:
        """A training tells what it is at, or that it is over; what was told ahead then knows nothing of its result."""
        self._training = update.training
        if update.training is None:
            self._job, self._ending = None, False
            self._refusal = update.error or self._refusal
            self._foresight.forget()
        self._show()

    def _refuse(self, sentence: str) -> None:
        with self._lock:
            self._refusal = sentence
            self._show()

    def _updated(self, update: Update) -> None:
        """On the session's worker."""
        with self._lock:
            if update.stage == "training":
                self._trains(update)
                return
            before = self._moves.last
            if update.move < before.move:
                return
            if update.move > self._moves.made:  # made in Python
                self._moves.made, self._timing = update.move, False
                found = self._session_position()
                if found != (self._position, self._foreign):  # else a sentence on a training still holds
                    self._refusal = ""
                self._position, self._foreign = found
            if update.stage == "error" or (before.stage == "latency" and update.stage != "latency"):
                self._timing = False
            narrower = self._moves.hear(update)
            if not narrower or time.monotonic() - self._shown > _PROGRESS_EVERY:
                self._show()
            if update.newest and update.stage in ("costs", "exact", "cancelled"):
                self._foresee(further=update.stage != "costs")

    def _compiling(self, found: Compiling) -> None:
        """Shown by a thread of its own: the one that compiles can wait for none that wants a kernel compiled."""
        ready = f"Preparing kernels, once on this machine: {found.ready} ready"
        self._preparing = "" if found.kernel is None else ready
        Thread(target=self._show_compiling, name="workbench-compiling", daemon=True).start()

    def _show_compiling(self) -> None:
        with self._lock:
            self._show()

    def _session_position(self) -> tuple[Position, bool]:
        """Where the controls stand for the session's recipe, and whether no position gives just that.

        Where they stand for it already they stay: a recipe knows nothing of what is switched off.
        """
        session = self.session
        if self._models.setdefault(session.model.name, session.model) is not session.model:
            self._foresight.forget()
        self._models[session.model.name] = session.model
        at = self._position
        if (at.model, at.device, at.recipe()) == (session.model.name, session.device, session.recipe):
            return at, False
        found = Position.of_recipe(session.recipe, session.model.name, session.device)
        return found or Position(session.model.name, session.device), found is None

    def _show(self) -> None:
        self._shown = time.monotonic()
        self.panel.show(state=self._screen())

    def _screen(self) -> dict[str, Any]:
        moves = self._moves
        return screen(
            self._position,
            moves.report,
            seq=moves.seq,
            answered=moves.answered,
            move=moves.last.move,
            stage=moves.last.stage,
            progress=moves.last.progress,
            fresh=moves.fresh,
            timing=self._timing,
            preparing=self._preparing,
            running=None if self._training is None else training(self._training, self._ending),
            error=self._refusal or moves.error,
            foreign=self._foreign,
            refused=refusals(self._model(self._position.model), self._position),
        )

    def _names(self) -> dict[str, None]:
        return dict.fromkeys([*([self._own.name] if self._own else []), *zoo.listed()])

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = load(name)
        return self._models[name]

    def _export(self, model: Model, recipe: Recipe) -> None:
        """On a thread of its own: what is exported is what the controls said when the button was pressed."""
        with tempfile.TemporaryDirectory() as folder:
            content = compress(model, recipe).save(Path(folder) / "network.cwb").read_bytes()
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", model.name)
        self.panel.offer(f"{name}-{recipe.digest[:8]}.cwb", content)


def _number(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_NUMBER:
        raise RecipeError(f"The field {name!r} of a move must be a whole number, not {shown(value)}.")
    return value
