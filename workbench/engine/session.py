"""The live engine: one model, one recipe that changes, reports that follow; the same for scripts and the page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from threading import Condition, Thread
from time import perf_counter

from workbench.accuracy.examiner import Examiner, image_count
from workbench.accuracy.openmp import end_pool
from workbench.accuracy.restart import BUDGET
from workbench.compression.compressed import CompressedModel, compress
from workbench.costs import latency
from workbench.devices.device import Device
from workbench.engine import warmup
from workbench.engine.ahead import Prepared, prepare
from workbench.engine.assessment import DEFAULT_DEVICE, costs, with_accuracy, with_latency
from workbench.engine.foresight import Foresight
from workbench.engine.jobs import Job
from workbench.engine.priority import give_way
from workbench.engine.rehearsal import rehearse
from workbench.engine.running import Follower, Training, running
from workbench.engine.update import Move, Stage, Update
from workbench.errors import Stopped, WorkbenchError
from workbench.method import Progress
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_log = logging.getLogger(__name__)
_EVERY = 0.04  # seconds between two estimates, faster than which an eye cannot follow
_GLANCES = 0.02  # seconds without a move after which costs are foreseen
_COUNTS = 0.1  # seconds of counting accuracy after which that lets costs be foreseen between two batches,
_BETWEEN = 0.02  # for so many seconds
_LOOKS = 0.15  # seconds without a move after which the user is taken to look
_PATIENCE = 0.5  # seconds of compressing after which a newer move cuts it short, between two layers


class Session:
    """Follows one recipe for one model on a worker thread of its own. Methods may be called from any thread.

    The newest move wins: a move that arrives while another is computed is next, moves in between are never begun, and a
    move that has begun sends its first accuracy before it gives way, unless compressing alone takes long.
    """

    def __init__(
        self,
        model: Model,
        device: str = DEFAULT_DEVICE,
        images: int | None = None,
        recipe: Recipe | None = None,
        activations: int = BUDGET,
    ) -> None:
        """images: how many test images accuracy is counted on. activations: bytes of them to keep between two moves.

        Raises RecipeError, DeviceError, DataError.
        """
        recipe = recipe or Recipe()
        _check(model, recipe, device, images)
        self.images = images
        self._observers: list[Callable[[Update], None]] = []
        self._examiner = Examiner(activations)
        self._changed = Condition()  # whose lock the same thread may take again
        self._newest = self._begun = Move(0, model, recipe, device)
        self._waiting: Move | None = self._newest
        self._prepared: Prepared = {}
        self._foresight: Foresight | None = None
        self._finished = -1
        self._failure: str | None = None
        self._stopped = -1  # moves up to this number were cancelled
        self._timed: Move | None = None  # the newest one, while its latency is asked for
        self._sent: Update | None = None
        self._closed = False
        self._report: Report | None = None
        self._compressed: CompressedModel | None = None
        self._worker = Thread(target=self._work, name="workbench-session", daemon=True)
        end_pool()  # of the caller, who has loaded the model: the processors are the worker's
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
            end_pool()
            self._newest = self._waiting = Move(current.number + 1, model, recipe, device)
            self._timed = None
            self._changed.notify_all()
            return self._newest.number

    def measure_latency(self) -> int:
        """Have the latency of the newest move measured once it is finished, and return its number.

        A newer move supersedes it. Kernels that were never used are compiled first, which may take a minute.
        """
        with self._changed:
            self._timed = self._newest
            self._stopped = min(self._stopped, self._newest.number - 1)
            self._changed.notify_all()
            return self._newest.number

    def train(self) -> Job:
        """Train what the newest recipe asks for, in a process of its own; the moves go on meanwhile.

        At its end the newest recipe is followed again, which takes up what was trained. The job outlives the session.
        Raises ModelError for a network that another process cannot load.
        """
        move = self._newest

        def progress(title: str, found: Progress) -> None:
            self._tell_training(Training(move.model.name, move.recipe, title, found))

        return Job(move.model, move.recipe, progress=progress, ended=self._trained)

    def follow_training(self) -> Follower | None:
        """Follow a training that runs already, the one begun last, as `train` does; None where none runs.

        It was begun by a session that is gone, or in another process, of whatever network and recipe.
        """
        found = running()
        return Follower(found[0], self._tell_training, self._trained) if found else None

    def _tell_training(self, training: Training) -> None:
        share = training.progress.share if training.progress else 0.0
        self._send(self._newest, "training", self._report, share, training=training)

    def _trained(self, error: str | None) -> None:
        with self._changed:
            self._prepared.clear()  # what was worked out ahead knows nothing of the result
        self._send(self._newest, "training", self._report, 1.0, error)
        with self._changed:
            if not self._closed:
                self.update()

    def wait(self, timeout: float | None = None) -> None:
        """Until the newest move is finished, its latency included where it was asked for.

        Raises TimeoutError, and WorkbenchError where the move failed.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: (self._finished >= self._newest.number and self._timed is None) or self._closed, timeout
            ):
                raise TimeoutError(f"Move {self._newest.number} was not finished within {timeout} seconds.")
            if self._failure is not None:
                raise WorkbenchError(self._failure)

    def cancel(self) -> None:
        """Stop counting accuracy and measuring latency for every move made so far; what is known stays."""
        with self._changed:
            self._stopped = self._newest.number
            self._changed.notify_all()

    def foresee(
        self, model: Model, device: str, recipes: Iterable[Recipe], found: Callable[[Recipe, Report], None]
    ) -> None:
        """Work out the costs of `recipes` while there is nothing else to do, one at a time; another call ends this one.

        `found` is called on the worker with each recipe and its report, the same that a move there would send first;
        then `recipes` is asked for the next one, on the worker, too. A recipe that cannot be applied is passed over.
        Moves come first: they wait for one layer's step, or for the counting of one recipe's costs, at most.
        """
        with self._changed:
            self._foresight = Foresight(model, device, iter(recipes), found)
            self._changed.notify_all()

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
        give_way()
        ahead: Iterator[None] | None = None  # what to do while the user looks
        rested = perf_counter()  # when the last move ended
        while True:
            with self._changed:
                while not (self._waiting or self._timed or self._closed):
                    due = rested + _GLANCES if self._foresight else rested + _LOOKS if ahead else None
                    pause = None if due is None else due - perf_counter()
                    if pause is not None and pause <= 0:
                        break
                    self._changed.wait(pause)
                if self._closed:
                    return
                move, timed, self._waiting = self._waiting, self._timed, None
            if move is not None:
                before, self._begun = self._begun, move
                exact = self._follow(move)
                ahead = prepare(before, move, self._examiner, self.images, self._prepared) if exact else None
                rested = perf_counter()
            elif timed is not None:
                if self._sent is not None and self._compressed is not None:
                    self._time(timed, self._sent, self._compressed)
            elif self._foresight is not None:
                self._foresee(self._foresight, 0.0, self._overtaken)
            elif ahead is not None:
                try:
                    next(ahead)
                except StopIteration:
                    ahead = None
                except Exception:  # it will be heard of if the user really goes there
                    _log.debug("a position could not be prepared", exc_info=True)
                    ahead = None

    def _follow(self, move: Move) -> bool:
        """Send everything about a move. Returns whether it went to its end."""
        failure, exact = None, False
        try:
            exact = self._run(move)
        except Stopped:  # a newer move came while a step took long
            pass
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
        return exact

    def _run(self, move: Move) -> bool:
        prepared = self._prepared.get((move.model, move.device, move.recipe.digest))
        self._prepared.clear()
        patient = perf_counter() + _PATIENCE
        compressed = (
            prepared[0]
            if prepared
            else compress(move.model, move.recipe, cancelled=lambda: self._overtaken() and perf_counter() > patient)
        )
        report = prepared[1] if prepared else costs(compressed, move.device)
        self._compressed = compressed
        self._send(move, "costs", report, 0.0)
        begun, due = perf_counter(), 0.0

        def given_up() -> bool:
            return self._overtaken() or self._stopped >= move.number

        for standing in self._examiner.accuracies(compressed, self.images):
            if standing.share == 1.0:
                report = with_accuracy(report, standing)
                break
            giving_way, cancelled = self._overtaken(), self._stopped >= move.number
            if cancelled or perf_counter() >= due:
                report, due = with_accuracy(report, standing), perf_counter() + _EVERY
                self._send(move, "cancelled" if cancelled and not giving_way else "accuracy", report, standing.share)
            if giving_way or cancelled:
                return False
            if self._foresight is not None and perf_counter() - begun > _COUNTS:
                self._foresee(self._foresight, _BETWEEN, given_up)
        self._send(move, "exact", report, 1.0)
        return True

    def _time(self, move: Move, ended: Update, compressed: CompressedModel) -> None:
        """Measure a finished move. ended: its last update, about `compressed`, which is sent again with the latency."""
        report, failure = ended.report, ended.error

        def given_up() -> bool:
            return self._timed is not move or self._stopped >= move.number or self._closed

        try:
            if report is not None:
                rehearse(compressed, given_up, lambda share: self._send(move, "latency", ended.report, share))
                report = with_latency(report, latency.measure(compressed, cancelled=given_up))
        except Stopped:
            pass
        except WorkbenchError as error:
            failure = f"Latency of {move.model.name} could not be measured: {error}"
        except Exception as error:  # the figures that are known stay
            _log.exception("latency of move %d could not be measured", move.number)
            failure = f"Latency of {move.model.name} could not be measured: {type(error).__name__}: {error}"
        if move is self._newest:
            self._send(move, ended.stage, report, ended.progress, failure)
        with self._changed:
            if self._timed is move:
                self._timed = None
            self._changed.notify_all()

    def _overtaken(self) -> bool:
        return self._waiting is not None or self._closed

    def _foresee(self, foresight: Foresight, seconds: float, given_up: Callable[[], bool]) -> None:
        """Work at `foresight` for so long, or until another one takes its place."""
        left = foresight.work(seconds, lambda: given_up() or self._foresight is not foresight)
        with self._changed:
            if not left and self._foresight is foresight:
                self._foresight = None

    def _send(
        self,
        move: Move,
        stage: Stage,
        report: Report | None,
        progress: float,
        error: str | None = None,
        training: Training | None = None,
    ) -> None:
        if report is not None and stage != "training":  # which says nothing new of any move, on a thread of its own
            self._report = report
        update = Update(move.number, move.number == self._newest.number, stage, report, progress, error, training)
        if stage not in ("latency", "training"):
            self._sent = update
        for observer in tuple(self._observers):
            try:
                observer(update)
            except Exception:
                _log.exception("an observer of the session failed")


def _check(model: Model, recipe: Recipe, device: str, images: int | None) -> None:
    recipe.check(model)
    Device.load(device)
    image_count(model, images)
