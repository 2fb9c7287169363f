"""The live engine: one model, one recipe that changes, reports that follow; the same for scripts and the page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Literal

from workbench import warmup
from workbench.assessment import DEFAULT_DEVICE, accuracies, costs, image_count, with_accuracy
from workbench.compressed import CompressedModel, compress
from workbench.device import Device
from workbench.errors import WorkbenchError
from workbench.model import Model
from workbench.recipe import Recipe
from workbench.report import Report

Stage = Literal["costs", "accuracy", "exact", "cancelled", "error"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """One message of the engine about one move.

    move: its number. newest: whether no later move had arrived when this was sent. stage: "costs" comes first (size,
    operations and energy are exact, accuracy unknown), then "accuracy" while images are run, then "exact"; or
    "cancelled" with what was known by then, or "error" with a sentence. progress: share of the images run, 0..1.
    """

    move: int
    newest: bool
    stage: Stage
    report: Report | None
    progress: float
    error: str | None = None


@dataclass(frozen=True)
class _Move:
    number: int
    model: Model
    recipe: Recipe
    device: str


class Session:
    """Follows one recipe for one model on a worker thread of its own. Methods may be called from any thread.

    The newest move wins: a move that arrives while another is computed is next, moves in between are never begun, and a
    move that has begun sends its first accuracy before it gives way.
    """

    def __init__(
        self, model: Model, device: str = DEFAULT_DEVICE, images: int | None = None, recipe: Recipe | None = None
    ) -> None:
        """images: how many test images accuracy is counted on. Raises RecipeError, DeviceError, DataError."""
        recipe = recipe or Recipe()
        _check(model, recipe, device, images)
        self.images = images
        self._observers: list[Callable[[Update], None]] = []
        self._changed = Condition()
        self._newest = _Move(0, model, recipe, device)
        self._waiting: _Move | None = self._newest
        self._finished = -1
        self._failure: str | None = None
        self._stopped = -1  # moves up to this number were cancelled
        self._closed = False
        self._report: Report | None = None
        self._compressed: CompressedModel | None = None
        self._worker = Thread(target=self._work, name="workbench-session", daemon=True)
        self._worker.start()
        warmup.start()

    @property
    def model(self) -> Model:
        return self._newest.model

    @model.setter
    def model(self, model: Model) -> None:
        self.update(model=model)

    @property
    def recipe(self) -> Recipe:
        return self._newest.recipe

    @recipe.setter
    def recipe(self, recipe: Recipe) -> None:
        self.update(recipe=recipe)

    @property
    def device(self) -> str:
        return self._newest.device

    @device.setter
    def device(self, device: str) -> None:
        self.update(device=device)

    @property
    def report(self) -> Report | None:
        """The last report that was sent; after `wait` it is the newest move's, exact."""
        return self._report

    @property
    def compressed(self) -> CompressedModel | None:
        """The compressed model of the last report."""
        return self._compressed

    def update(self, model: Model | None = None, recipe: Recipe | None = None, device: str | None = None) -> int:
        """Make a move and return its number. A new model starts from the empty recipe unless one is given.

        Raises RecipeError or DeviceError at once; the session then stays as it was.
        """
        with self._changed:
            current = self._newest
            if recipe is None:
                recipe = current.recipe if model is None else Recipe()
            model = model or current.model
            device = device or current.device
            _check(model, recipe, device, self.images)
            self._newest = self._waiting = _Move(current.number + 1, model, recipe, device)
            self._changed.notify_all()
            return self._newest.number

    def wait(self, timeout: float | None = None) -> None:
        """Until the newest move is finished. Raises TimeoutError, and WorkbenchError where the move failed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._finished >= self._newest.number or self._closed, timeout):
                raise TimeoutError(f"Move {self._newest.number} was not finished within {timeout} seconds.")
            if self._failure is not None:
                raise WorkbenchError(self._failure)

    def cancel(self) -> None:
        """Stop counting accuracy for every move made so far; what is known stays."""
        with self._changed:
            self._stopped = self._newest.number

    def observe(self, callback: Callable[[Update], None]) -> Callable[[], None]:
        """Call `callback` on the worker thread with every update. Returns the function that ends this."""
        self._observers.append(callback)
        return lambda: self._observers.remove(callback)

    def close(self) -> None:
        """End the worker after the batch it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed or self._waiting is None:
                    return
                move, self._waiting = self._waiting, None
            failure = None
            try:
                self._run(move)
            except WorkbenchError as error:
                failure = str(error)
            except Exception as error:  # the session goes on whatever a user's module does
                _log.exception("move %d failed", move.number)
                failure = f"{move.model.name} could not be run with this recipe: {type(error).__name__}: {error}"
            if failure is not None:
                self._send(move, "error", None, 0.0, failure)
            with self._changed:
                self._finished, self._failure = move.number, failure
                self._changed.notify_all()

    def _run(self, move: _Move) -> None:
        compressed = compress(move.model, move.recipe)
        report = costs(compressed, move.device)
        self._compressed = compressed
        self._send(move, "costs", report, 0.0)
        share = 1.0
        for was, now, share in accuracies(compressed, self.images):
            report = with_accuracy(report, was, now)
            if share < 1.0:
                self._send(move, "accuracy", report, share)
            if share < 1.0 and (self._waiting is not None or self._closed):
                return
            if share < 1.0 and self._stopped >= move.number:
                self._send(move, "cancelled", report, share)
                return
        self._send(move, "exact", report, share)

    def _send(
        self, move: _Move, stage: Stage, report: Report | None, progress: float, error: str | None = None
    ) -> None:
        if report is not None:
            self._report = report
        update = Update(move.number, move.number == self._newest.number, stage, report, progress, error)
        for observer in tuple(self._observers):
            try:
                observer(update)
            except Exception:
                _log.exception("an observer of the session failed")


def _check(model: Model, recipe: Recipe, device: str, images: int | None) -> None:
    recipe.check(model)
    Device.load(device)
    image_count(model, images)
