"""Positions that are worked out ahead while the user looks: those beside the one that a slider was moved to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from time import perf_counter

from workbench.accuracy.examiner import Examiner
from workbench.accuracy.memory import give_back
from workbench.compression.compressed import CompressedModel, compress
from workbench.engine.assessment import costs
from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.engine.neighbours import neighbours
from workbench.engine.update import Move
from workbench.errors import Stopped
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_MOST = 5.0  # seconds
_log = logging.getLogger(__name__)
_Position = tuple[Model, str, str]  # with the device and the digest of the recipe
_Answer = tuple[CompressedModel, Report]


class Preparing(Duty):
    """Works out the costs of those positions, then their accuracies, a recipe or a batch at a time.

    What is found is where the next move looks: costs in `take`, answers in the memory that examiners share.
    """

    takes_turns = yields = True
    rest = 0.15  # seconds without a move after which the user is taken to look

    def __init__(self, bulletin: Bulletin, examiner: Examiner, images: int | None) -> None:
        super().__init__(bulletin)
        self._examiner, self._images = examiner, images
        self._found: dict[_Position, _Answer] = {}
        self._pieces: Iterator[None] | None = None
        self._interrupted: Callable[[], bool] = lambda: False

    @property
    def wanted(self) -> bool:
        return self._pieces is not None

    def begin(self, before: Move, now: Move) -> None:
        """Prepare the neighbours of `now`, which was reached from `before`."""
        self._pieces = self._prepare(before, now, self._found)

    def take(self, move: Move) -> _Answer | None:
        """What is known of a move, if anything; the rest is void."""
        found = self._found.get((move.model, move.device, move.recipe.digest))
        self.forget()
        return found

    def forget(self) -> None:
        self._pieces, self._found = None, {}

    def work(self, interrupted: Callable[[], bool]) -> None:
        pieces, self._interrupted = self._pieces, interrupted
        if pieces is None:
            return
        try:
            next(pieces)
            return
        except StopIteration:
            pass
        except Exception:  # it will be heard of if the user really goes there
            _log.debug("a position could not be prepared", exc_info=True)
        if self._pieces is pieces:
            self._pieces = None

    def _prepare(self, before: Move, now: Move, found: dict[_Position, _Answer]) -> Iterator[None]:
        """A little between two yields; most likely one first."""
        end = perf_counter() + _MOST
        runs = []
        for recipe in neighbours(before.recipe, now.recipe) if before.model is now.model else ():
            while (compressed := self._compressed(now.model, recipe)) is None:
                yield
            found[now.model, now.device, recipe.digest] = compressed, costs(compressed, now.device)
            runs.append(self._examiner.accuracies(compressed, self._images))
            yield
        for run in runs:  # the first images of each position, then the rest
            next(run, None)
            yield
        for _ in chain(*runs):
            if perf_counter() > end:
                break
            yield
        give_back()

    def _compressed(self, model: Model, recipe: Recipe) -> CompressedModel | None:
        """None where that was interrupted."""
        try:
            return compress(model, recipe, cancelled=lambda: self._interrupted())
        except Stopped:
            return None
