"""Following the trainings that a session has begun or found."""

from __future__ import annotations

from collections.abc import Callable

from workbench.engine.bulletin import Bulletin
from workbench.engine.jobs import Job
from workbench.engine.listener import Training
from workbench.engine.running import Follower, running


class Following:
    """Tells what they are at, at once and on each listener's thread: no duty, for the worker may be at a long piece.

    ended: called there when it has been told that one is over.
    """

    def __init__(self, bulletin: Bulletin, ended: Callable[[], None]) -> None:
        self._bulletin, self._ended = bulletin, ended

    def begin(self) -> Job:
        """What the newest recipe asks for. Raises ModelError."""
        move = self._bulletin.newest
        return Job(move.model, move.recipe, progress=self._tell, ended=self._over)

    def join(self) -> Follower | None:
        """The one that was begun last, by whomever; None where none runs."""
        found = running()
        return Follower(found[0], self._tell, self._over) if found else None

    def _tell(self, training: Training) -> None:
        share = training.progress.share if training.progress else 0.0
        self._bulletin.send(self._bulletin.newest, "training", self._bulletin.report, share, training=training)

    def _over(self, error: str | None) -> None:
        self._bulletin.send(self._bulletin.newest, "training", self._bulletin.report, 1.0, error)
        self._ended()
