"""What a session is at, and what it has told of that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Condition

from workbench.compression.compressed import CompressedModel
from workbench.engine.listener import Training
from workbench.engine.update import Move, Stage, Update
from workbench.report.report import Report

_log = logging.getLogger(__name__)


class Bulletin:
    """The newest move of a session, its observers, and what they were told last. It may be sent from any thread.

    changed: its lock, which the same thread may take again, guards what is asked; notified when anything is asked or
    has ended. report, compressed: the last that were found of any move. stands: how a move stands, as last told.
    """

    def __init__(self, newest: Move) -> None:
        self.changed = Condition()
        self.newest = newest
        self.report: Report | None = None
        self.compressed: CompressedModel | None = None
        self.stands: Update | None = None
        self._observers: list[Callable[[Update], None]] = []

    def observe(self, callback: Callable[[Update], None]) -> Callable[[], None]:
        """Returns the function that ends this."""
        self._observers.append(callback)
        return lambda: self._observers.remove(callback)

    def send(
        self,
        move: Move,
        stage: Stage,
        report: Report | None,
        progress: float,
        error: str | None = None,
        training: Training | None = None,
    ) -> None:
        """An observer that fails is logged, and stops no other."""
        if report is not None and stage != "training":  # which says nothing new of any move, on a thread of its own
            self.report = report
        update = Update(move.number, move.number == self.newest.number, stage, report, progress, error, training)
        if stage not in ("latency", "training"):
            self.stands = update
        for observer in tuple(self._observers):
            try:
                observer(update)
            except Exception:
                _log.exception("an observer of the session failed")
