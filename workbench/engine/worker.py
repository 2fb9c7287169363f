"""The thread of a session, which does the first of its duties that there is anything to do of."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from functools import partial
from threading import Condition, Thread, current_thread
from time import perf_counter
from weakref import WeakSet

from workbench.engine.duty import Duty
from workbench.engine.priority import give_way
from workbench.engine.turns import Turn

_LOOKS = 0.02  # seconds between two looks whether it is this session's turn,
_UNASKED = 0.1  # at what nobody has asked for
_LAST = 10.0  # seconds that the end of the interpreter waits for a piece of work
_workers: WeakSet[Worker] = WeakSet()


class Worker(Thread):
    """Sleeps until `changed` is notified where nothing is wanted, or until what is wanted has rested.

    Duties that take turns with those of other processes get one for each piece of work.

    duties: what comes first stands first. closed: whether it ends after the piece of work that it is at.
    """

    def __init__(self, changed: Condition, duties: Sequence[Duty], turn: Turn) -> None:
        super().__init__(name="workbench-session", daemon=True)
        self.closed = False
        self._changed, self._duties, self._turn = changed, duties, turn
        self._rested = perf_counter()
        _workers.add(self)

    def run(self) -> None:
        give_way()
        while (duty := self._next()) is not None:
            duty.work(partial(self._interrupted, self._duties[: self._duties.index(duty)]))
            self._turn.pass_on()
            if not duty.rest:
                self._rested = perf_counter()

    def close(self, patience: float | None = None) -> None:
        """patience: seconds that are waited for its end, for ever by default."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        if self.is_alive() and current_thread() is not self:  # as it is in an observer
            self.join(patience)

    def _next(self) -> Duty | None:
        """The duty to work at, once there is one; None when it is closed."""
        with self._changed:
            while not self.closed:
                pauses = []
                for duty in self._duties:
                    if not duty.wanted:
                        continue
                    pause = self._rested + duty.rest - perf_counter()
                    if pause <= 0 and duty.takes_turns and not self._turn.take(asked=not duty.yields):
                        pause = _UNASKED if duty.yields else _LOOKS
                    if pause <= 0:
                        return duty
                    pauses.append(pause)
                if not pauses:
                    self._turn.pass_on()  # of what was dropped while it waited
                self._changed.wait(min(pauses, default=None))
        return None

    def _interrupted(self, before: Sequence[Duty]) -> bool:
        return self.closed or any(duty.wanted for duty in before)


@atexit.register
def _end() -> None:
    """A script that does not close its session ends all the same: a thread inside torch would abort the process."""
    for worker in list(_workers):
        worker.close(_LAST)
