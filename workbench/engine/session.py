"""The live engine: one model, one recipe that changes, reports that follow; the same for scripts and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from workbench.accuracy.examiner import Examiner, image_count
from workbench.accuracy.openmp import end_pool
from workbench.accuracy.restart import BUDGET
from workbench.compression.compressed import CompressedModel
from workbench.devices.device import Device
from workbench.engine import warmup
from workbench.engine.answering import Answering
from workbench.engine.assessment import DEFAULT_DEVICE
from workbench.engine.bulletin import Bulletin
from workbench.engine.following import Following
from workbench.engine.foreseeing import Asked, Foreseeing
from workbench.engine.jobs import Job
from workbench.engine.looking import Found, Looking, Question
from workbench.engine.preparing import Preparing
from workbench.engine.pursuing import Pursuing, Pursuit
from workbench.engine.running import Follower
from workbench.engine.timing import Timing
from workbench.engine.turns import Turn
from workbench.engine.update import Move, Update
from workbench.engine.worker import Worker
from workbench.errors import ModelError, WorkbenchError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_PAUSE, _IDLE = 0.02, 1.0  # seconds after the last move at which a search goes on, and one that nobody asked for
_CLOSED = "The session is closed: it follows no move and measures nothing any more."


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

        Raises RecipeError, DeviceError, DataError, and ModelError for what is no Model.
        """
        if not isinstance(model, Model):
            raise ModelError(
                f"A session is for a Model, not for a {type(model).__name__}: workbench.load gives one of the "
                "workbench's, workbench.Model.from_module(module, example, data) one of your own."
            )
        recipe = recipe or Recipe()
        _check(model, recipe, device, images)
        self.images = images
        self._bulletin = Bulletin(Move(0, model, recipe, device))
        self._changed = self._bulletin.changed
        self._examiner = Examiner(activations)
        self._timing, self._foreseeing = Timing(self._bulletin), Foreseeing(self._bulletin)
        self._looking = Looking(self._bulletin)
        self._pursuing, self._idling = Pursuing(self._bulletin, _PAUSE), Pursuing(self._bulletin, _IDLE, True)
        self._preparing = Preparing(self._bulletin, self._examiner, images)
        turn = Turn()
        self._answering = Answering(self._bulletin, self._examiner, images, self._foreseeing, self._preparing, turn)
        self._following = Following(self._bulletin, self._take_up)
        self._duties = (  # what comes first, first
            self._answering, self._looking, self._timing, self._pursuing,
            self._foreseeing, self._preparing, self._idling,
        )  # fmt: skip
        self._worker = Worker(self._changed, self._duties, turn)
        end_pool()  # of the caller, who has loaded the model: the processors are the worker's
        self._worker.start()
        warmup.start()

    @property
    def model(self) -> Model:
        return self._bulletin.newest.model

    @model.setter
    def model(self, model: Model) -> None:
        self.update(model=model)

    @property
    def recipe(self) -> Recipe:
        return self._bulletin.newest.recipe

    @recipe.setter
    def recipe(self, recipe: Recipe) -> None:
        self.update(recipe=recipe)

    @property
    def device(self) -> str:
        return self._bulletin.newest.device

    @device.setter
    def device(self, device: str) -> None:
        self.update(device=device)

    @property
    def move(self) -> int:
        """The number of the newest move."""
        return self._bulletin.newest.number

    @property
    def report(self) -> Report | None:
        """The last report that was sent; after `wait` it is the newest move's, exact."""
        return self._bulletin.report

    @property
    def compressed(self) -> CompressedModel | None:
        """The compressed model of the last report."""
        return self._bulletin.compressed

    def update(self, model: Model | None = None, recipe: Recipe | None = None, device: str | None = None) -> int:
        """Make a move and return its number. A new model starts from the empty recipe unless one is given.

        Raises RecipeError or DeviceError at once; the session then stays as it was. A closed one raises WorkbenchError.
        """
        with self._asking():
            current = self._bulletin.newest
            if recipe is None:
                recipe = current.recipe if model is None else Recipe()
            model = model or current.model
            device = device or current.device
            _check(model, recipe, device, self.images)
            end_pool()
            move = self._bulletin.newest = Move(current.number + 1, model, recipe, device)
            for duty in self._duties:
                duty.moved(move)
            return move.number

    def measure_latency(self) -> int:
        """Have the latency of the newest move measured once it is finished, and return its number.

        A newer move supersedes it. Kernels that were never used are compiled first, which may take a minute.
        """
        with self._asking():
            self._timing.ask(self._bulletin.newest)
            return self._bulletin.newest.number

    def foresee(
        self, model: Model, device: str, recipes: Iterable[Recipe], found: Callable[[Recipe, Report], None]
    ) -> None:
        """Work out the costs of `recipes` while there is nothing else to do, one at a time; another call ends this one.

        `found` is called on the worker with each recipe and its report, the same that a move there would send first;
        then `recipes` is asked for the next one, on the worker, too. A recipe that cannot be applied is passed over.
        Moves come first: they wait for a round of one layer's step, or for the counting of one recipe's costs, at most.
        """
        with self._asking():
            self._foreseeing.ask(Asked(model, device, iter(recipes), found))

    def look(self, name: str, question: Question, found: Found) -> None:
        """Put `question` to the newest move, on the worker, once it has been answered; `found` is called there.

        A newer question of the same name takes its place. It is put again where a newer move interrupts it.
        """
        with self._asking():
            self._looking.ask(name, question, found)

    def pursue(
        self,
        name: str,
        steps: Iterator[Any],
        found: Callable[[Any], None],
        ended: Callable[[str], None] = lambda failure: None,
        idle: bool = False,
    ) -> None:
        """Have long work done on the worker, a short piece each time that `steps` is asked for the next one.

        found: called with each. ended: called after the last one with "", or with a sentence where it failed. Moves and
        questions come first; idle: whatever else there is, too. What is begun under a name drops what had it before.
        """
        with self._asking():
            self.drop(name)
            (self._idling if idle else self._pursuing).begin(name, Pursuit(steps, found, ended))

    def drop(self, name: str) -> None:
        """Give up what is pursued under this name, if anything; it is not told of its end."""
        with self._changed:
            self._pursuing.drop(name)
            self._idling.drop(name)

    def cancel(self) -> None:
        """Stop counting accuracy and measuring latency for every move made so far; what is known stays."""
        with self._changed:
            for duty in self._duties:
                duty.cancel()

    def train(self) -> Job:
        """Train what the newest recipe asks for, in a process of its own; the moves go on meanwhile.

        At its end the newest recipe is followed again, which takes up what was trained. The job outlives the session.
        Raises ModelError for a network that another process cannot load.
        """
        return self._following.begin()

    def follow_training(self) -> Follower | None:
        """Follow a training that runs already, the one begun last, as `train` does; None where none runs.

        It was begun by a session that is gone, or in another process, of whatever network and recipe.
        """
        return self._following.join()

    def _take_up(self) -> None:
        """What was trained."""
        self._preparing.forget()  # what was worked out ahead knows nothing of it
        with self._changed:
            if not self._worker.closed:
                self.update()

    def wait(self, timeout: float | None = None) -> None:
        """Until the newest move is finished, its latency included where it was asked for.

        Raises TimeoutError, and WorkbenchError where the move failed, or the session was closed before its end.
        """

        def finished() -> bool:
            return self._answering.finished >= self._bulletin.newest.number and not self._timing.wanted

        with self._changed:
            if not self._changed.wait_for(lambda: finished() or self._worker.closed, timeout):
                number = self._bulletin.newest.number
                raise TimeoutError(f"Move {number} was not finished within {timeout} seconds.")
            if not finished():
                raise WorkbenchError(_CLOSED)
            if self._answering.failure is not None:
                raise WorkbenchError(self._answering.failure)

    def observe(self, callback: Callable[[Update], None]) -> Callable[[], None]:
        """Call `callback` with every update, on the worker's thread but for what a training tells.

        Returns the function that ends this.
        """
        return self._bulletin.observe(callback)

    def close(self) -> None:
        """End the worker after the batch it is at; an observer may call it, too. What is known stays."""
        self._worker.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Under the lock; then the worker looks what there is to do. Raises WorkbenchError where it has ended."""
        with self._changed:
            if self._worker.closed:
                raise WorkbenchError(_CLOSED)
            yield
            self._changed.notify_all()


def _check(model: Model, recipe: Recipe, device: str, images: int | None) -> None:
    recipe.check(model)
    Device.load(device)
    image_count(model, images)
