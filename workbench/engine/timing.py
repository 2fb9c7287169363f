"""Measuring how long the network of the newest move takes, once that move has been answered."""

from __future__ import annotations

import logging
from collections.abc import Callable

from workbench.costs import latency
from workbench.engine.assessment import with_latency
from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.engine.rehearsal import rehearse
from workbench.engine.update import Move, Update
from workbench.errors import Stopped, WorkbenchError
from workbench.names import sentence

_log = logging.getLogger(__name__)


class Timing(Duty):
    """Tells how the move that was asked for stands once more, now with its latency. A newer move supersedes it."""

    def __init__(self, bulletin: Bulletin) -> None:
        super().__init__(bulletin)
        self._asked: Move | None = None
        self._cancelled = False

    @property
    def wanted(self) -> bool:
        return self._asked is not None

    def ask(self, move: Move) -> None:
        self._asked, self._cancelled = move, False

    def moved(self, move: Move) -> None:
        self._asked = None

    def cancel(self) -> None:
        self._cancelled = True  # what asked for it hears that it has ended

    def work(self, interrupted: Callable[[], bool]) -> None:
        move, stands = self._asked, self._bulletin.stands
        if move is not None and stands is not None:
            self._measure(move, stands, interrupted)
        with self._bulletin.changed:
            if self._asked is move:
                self._asked = None
            self._bulletin.changed.notify_all()

    def _measure(self, move: Move, stands: Update, interrupted: Callable[[], bool]) -> None:
        report, failure = stands.report, stands.error
        compressed, send = self._bulletin.compressed, self._bulletin.send

        def given_up() -> bool:
            return self._asked is not move or self._cancelled or interrupted()

        try:
            if report is not None and compressed is not None:
                failure = None  # that of an earlier try
                rehearse(compressed, given_up, lambda share: send(move, "latency", stands.report, share))
                report = with_latency(report, latency.measure(compressed, cancelled=given_up))
        except Stopped:
            pass
        except WorkbenchError as error:
            failure = f"Latency of {move.model.name} could not be measured: {error}"
        except Exception as error:  # the figures that are known stay
            _log.exception("latency of move %d could not be measured", move.number)
            failure = sentence(f"Latency of {move.model.name} could not be measured: {type(error).__name__}: {error}")
        if move is self._bulletin.newest:
            send(move, stands.stage, report, stands.progress, failure)
