"""Questions about the newest move, put once it has been answered: what its weights look like, which images flipped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.compression.compressed import CompressedModel
from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.engine.update import Move
from workbench.errors import Stopped, WorkbenchError
from workbench.names import sentence
from workbench.report.report import Report

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moment:
    """What a question is put to: the newest move with all that is known of it.

    cancelled: whether nobody waits for the answer any more; whoever works it out raises Stopped then.
    """

    move: Move
    compressed: CompressedModel
    report: Report
    cancelled: Callable[[], bool]


Question = Callable[[Moment], Any]
Found = Callable[[Moment, Any, str], None]  # with the answer, or with None and a sentence


class Looking(Duty):
    """Puts each question once; one that a newer move interrupts is put again to that. The last of a name counts."""

    def __init__(self, bulletin: Bulletin) -> None:
        super().__init__(bulletin)
        self._asked: dict[str, tuple[Question, Found]] = {}

    @property
    def wanted(self) -> bool:
        return bool(self._asked)

    def ask(self, name: str, question: Question, found: Found) -> None:
        self._asked[name] = question, found

    def work(self, interrupted: Callable[[], bool]) -> None:
        with self._bulletin.changed:
            name, asked = next(iter(self._asked.items()), ("", None))
            stands, move, compressed = self._bulletin.stands, self._bulletin.newest, self._bulletin.compressed
        if asked is None:
            return
        answered = False
        try:
            if stands is None or stands.move != move.number:
                return  # a move has come in between: it is put to that
            if stands.report is None or compressed is None:
                answered = True  # by the sentence on why the move failed
            else:
                given_up = lambda: interrupted() or self._asked.get(name) is not asked  # noqa: E731
                answered = _put(Moment(move, compressed, stands.report, given_up), *asked)
        except Exception:
            answered = True
            _log.exception("nobody could be told the answer to %s", name)
        with self._bulletin.changed:
            if answered and self._asked.get(name) is asked:
                del self._asked[name]


def _put(moment: Moment, question: Question, found: Found) -> bool:
    """Whether it was answered, and not interrupted."""
    try:
        answer, failure = question(moment), ""
    except Stopped:
        return False
    except WorkbenchError as error:
        answer, failure = None, str(error)
    except Exception as error:  # the session goes on whatever a user's module does
        _log.exception("a question on move %d failed", moment.move.number)
        answer, failure = None, sentence(f"This could not be shown: {type(error).__name__}: {error}")
    found(moment, answer, failure)
    return True
