"""Answering the newest move: its costs first, then its accuracy, image after image."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

from workbench.accuracy.examiner import Examiner
from workbench.compression.compressed import compress
from workbench.engine.assessment import costs, with_accuracy
from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.engine.foreseeing import Foreseeing
from workbench.engine.preparing import Preparing
from workbench.engine.turns import Turn
from workbench.engine.update import Move, Stage
from workbench.errors import Stopped, WorkbenchError
from workbench.names import sentence

_log = logging.getLogger(__name__)
_EVERY = 0.04  # seconds between two estimates, faster than which an eye cannot follow
_COUNTS = 0.1  # seconds of counting accuracy after which that lets costs be foreseen between two batches,
_BETWEEN = 0.02  # for so many seconds
_PATIENCE = 0.5  # seconds of compressing after which a newer move cuts it short


class Answering(Duty):
    """A newer move is next, those in between are never begun; cancelled, it counts no further.

    A move that has begun sends its first accuracy before it gives way, unless compressing alone takes long or it has to
    wait for this process's turn. finished: number of the move that was answered last; failure: a sentence where that
    failed.
    """

    def __init__(
        self,
        bulletin: Bulletin,
        examiner: Examiner,
        images: int | None,
        foreseeing: Foreseeing,
        preparing: Preparing,
        turn: Turn,
    ) -> None:
        super().__init__(bulletin)
        self.finished = -1
        self.failure: str | None = None
        self._examiner, self._images = examiner, images
        self._foreseeing, self._preparing, self._turn = foreseeing, preparing, turn
        self._waiting: Move | None = bulletin.newest
        self._begun = bulletin.newest
        self._stopped = -1  # moves up to this number were cancelled

    @property
    def wanted(self) -> bool:
        return self._waiting is not None

    def moved(self, move: Move) -> None:
        self._waiting = move

    def cancel(self) -> None:
        self._stopped = self._bulletin.newest.number

    def work(self, interrupted: Callable[[], bool]) -> None:
        with self._bulletin.changed:
            move, self._waiting = self._waiting, None
        if move is None:
            return
        before, self._begun = self._begun, move
        failure, exact = None, False
        try:
            exact = self._answer(move, lambda: self.wanted or interrupted())
        except Stopped:  # a newer move came while a step took long
            pass
        except WorkbenchError as error:
            failure = str(error)
        except Exception as error:  # the session goes on whatever a user's module does
            _log.exception("move %d failed", move.number)
            failure = sentence(f"{move.model.name} could not be run with this recipe: {type(error).__name__}: {error}")
        if failure is not None:
            self._bulletin.send(move, "error", None, 0.0, failure)
        with self._bulletin.changed:
            self.finished, self.failure = move.number, failure
            self._bulletin.changed.notify_all()
        if exact:
            self._preparing.begin(before, move)

    def _answer(self, move: Move, overtaken: Callable[[], bool]) -> bool:
        """Send everything about a move. Returns whether it went to its end."""
        found = self._preparing.take(move)
        if found is None:
            patient = perf_counter() + _PATIENCE
            compressed = compress(move.model, move.recipe, cancelled=lambda: overtaken() and perf_counter() > patient)
            found = compressed, costs(compressed, move.device)
        compressed, report = found
        self._bulletin.compressed = compressed
        self._bulletin.send(move, "costs", report, 0.0)
        if not self._turn.wait(overtaken):
            return False
        begun, due = perf_counter(), 0.0
        for standing in self._examiner.accuracies(compressed, self._images):
            if standing.share == 1.0:
                report = with_accuracy(report, standing)
                break
            giving_way, cancelled = overtaken(), self._stopped >= move.number
            if cancelled or perf_counter() >= due:
                report, due = with_accuracy(report, standing), perf_counter() + _EVERY
                stage: Stage = "cancelled" if cancelled and not giving_way else "accuracy"
                self._bulletin.send(move, stage, report, standing.share)
            if giving_way or cancelled:
                return False
            if not self._turn.go_on(overtaken):
                return False
            if perf_counter() - begun > _COUNTS and not self._turn.others_wait:
                self._foresee(lambda: overtaken() or self._stopped >= move.number)
        self._bulletin.send(move, "exact", report, 1.0)
        return True

    def _foresee(self, given_up: Callable[[], bool]) -> None:
        """For a while, between two batches."""
        end = perf_counter() + _BETWEEN
        while self._foreseeing.wanted and perf_counter() < end and not given_up():
            self._foreseeing.work(given_up)
