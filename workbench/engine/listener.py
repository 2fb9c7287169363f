"""Hearing how a training gets on, whoever began it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from workbench.method import Progress, Trained
from workbench.recipe import Recipe


@dataclass(frozen=True)
class Training:
    """What a training is at. model: the network's name. title: of the step that is trained now, "" before the first
    epoch has ended; progress: of that step, None until then.
    """

    model: str
    recipe: Recipe
    title: str = ""
    progress: Progress | None = None

    @property
    def step(self) -> tuple[int, Trained] | None:
        """The place in the recipe and the method of the step that is trained now."""
        for place, step in enumerate(self.recipe.steps):
            if isinstance(step.method, Trained) and step.method.title == self.title:
                return place, step.method
        return None

    @property
    def reached(self) -> tuple[Recipe, ...]:
        """Recipes whose results are there already, which the training has come by (`Trained.reached`)."""
        if self.step is None or self.progress is None:
            return ()
        place, method = self.step
        methods = [method.reached(count) for count in range(1, self.progress.given + 1)]
        return tuple(self.recipe.with_method(place, one) for one in methods if one is not None)


class Listener(ABC):
    """Hears of a training that runs in another process, on a thread of its own, and can end it.

    progress: called on that thread with what the training is at. ended: called there at the end, with a sentence where
    the training failed.
    """

    def __init__(self, progress: Callable[[Training], None], ended: Callable[[str | None], None]) -> None:
        self._progress, self._ended = progress, ended
        self._thread = Thread(target=lambda: ended(self._listen()), name="workbench-training", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @abstractmethod
    def cancel(self) -> None:
        """Have the training end; the best so far is kept."""

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended. Raises TimeoutError."""
        self._thread.join(timeout)
        if self.running:
            raise TimeoutError(f"The training has not ended within {timeout} seconds.")

    @abstractmethod
    def _listen(self) -> str | None:
        """Tell `progress` of it until it has ended; a sentence where it failed."""
