"""Counts how well recipes of one network do on validation images: what is chosen by that has seen no test image."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from workbench.accuracy.intervals import Interval, binomial, mean
from workbench.accuracy.order import Selection, selection
from workbench.accuracy.restart import BUDGET, Evaluator
from workbench.cache import Cache
from workbench.compression.compressed import CompressedModel, compress
from workbench.errors import BlankError, DataError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.tasks import TASKS

Scores = NDArray[np.float64]  # [images]: what each adds to the score; 1.0 or 0.0 where that is a share of right answers
_known: Cache[Scores] = Cache(ceiling=2**25)


@dataclass(frozen=True)
class Change:
    """Mean score of a recipe less the original's on the same images, with its 95 % interval for images unseen."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether chance alone seldom makes as much."""
        return self.low > 0 or self.high < 0


class Judge:
    """Runs recipes of `model` on the first validation images in class-balanced order; each run starts where it must.

    What was counted is remembered in the whole process. Not for several threads at once.
    """

    def __init__(self, model: Model, images: int | None = None, budget: int = BUDGET) -> None:
        """images: how many, all validation images by default or where there are fewer. budget: bytes of activations.

        Raises BlankError for a network without weights and DataError for one without validation images.
        """
        if model.blank:
            raise BlankError(f"{model.name} has no weights here, so nothing can be measured of it.")
        if model.data is None or not model.data.has("validation"):
            raise DataError(f"{model.name} has no validation images, and nothing is chosen by test images.")
        self.model, self.task = model, TASKS[model.data.task]
        split = model.data.split("validation")
        self._selection = selection(split, None if images is None else min(images, len(split)))
        self._of: Hashable = (model.digest if model.architecture else ref(model), split.digest, model.data.task)
        self._budget = budget
        self._evaluator = self._evaluator_of(self._selection)
        self._some: tuple[NDArray[np.int64], Selection, Evaluator] | None = None

    def __len__(self) -> int:
        return len(self._selection)

    def scores(self, compressed: CompressedModel) -> Generator[None, None, Scores]:
        """What each image adds to the score, all of them; a batch is run between two yields."""
        key = (*(self._of,), len(self), compressed.recipe.digest, compressed.trained_from)
        held = _known.get(key, lambda: np.zeros(0), keep=False)
        if not len(held):
            found = yield from self._run(compressed, self._selection, self._evaluator)
            held = _known.get(key, lambda: found)
        return held

    def scores_of(self, compressed: CompressedModel, which: NDArray[np.int64]) -> Generator[None, None, Scores]:
        """As `scores`, of some of the images alone; which: their places, the same array from run to run."""
        if self._some is None or self._some[0] is not which:
            some = self._selection
            chosen = Selection(some.split, some.order[which], some.labels[which], some.truth[which])
            self._some = (which, chosen, self._evaluator_of(chosen))
        return (yield from self._run(compressed, *self._some[1:]))

    def original(self) -> Generator[None, None, Scores]:
        """The scores of the network as it came."""
        return (yield from self.scores(compress(self.model, Recipe())))

    def change(self, scores: Scores, before: Scores) -> Change:
        """Of two runs over the same images."""
        least = -1.0 if self.task.shares else -np.inf
        found = mean(scores - before, least, 1.0 if self.task.shares else np.inf)
        return Change(found.value, found.low, found.high)

    def accuracy(self, scores: Scores) -> Interval:
        """Mean score, with the 95 % interval for images unseen."""
        if self.task.shares:
            return binomial(int(np.count_nonzero(scores)), len(scores))
        return mean(scores, -np.inf, 1.0)

    def _evaluator_of(self, images: Selection) -> Evaluator:
        return Evaluator(self.model, images.inputs, len(images), self._budget)

    def _run(
        self, compressed: CompressedModel, images: Selection, evaluator: Evaluator
    ) -> Generator[None, None, Scores]:
        evaluator.load(compressed.forms)
        answers = self.task.unanswered(images.truth)
        for batch in range(-(-len(images) // evaluator.batch)):
            start = batch * evaluator.batch
            found = evaluator.answers(batch)
            answers[start : start + len(found)] = found
            yield
        return np.asarray(self.task.scores(answers, images.truth, images.split.truth), np.float64)
