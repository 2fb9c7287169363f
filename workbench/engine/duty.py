"""What a session's worker does: duties, each of which can be interrupted, one a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from workbench.engine.bulletin import Bulletin
from workbench.engine.update import Move


class Duty(ABC):
    """One kind of work. What it is asked for stands until it is done, cancelled, or superseded by what is asked next.

    It is asked from any thread, under the lock of its bulletin, and works on the worker's thread alone. rest: seconds
    since the last duty that has none of it, before which this one is left alone. takes_turns: whether each piece of it
    waits for this process's turn. yields: whether nobody has asked for it, so that what others were asked for comes
    first.
    """

    rest: float = 0.0
    takes_turns: bool = False
    yields: bool = False

    def __init__(self, bulletin: Bulletin) -> None:
        self._bulletin = bulletin

    @property
    @abstractmethod
    def wanted(self) -> bool:
        """Whether there is anything to do."""

    @abstractmethod
    def work(self, interrupted: Callable[[], bool]) -> None:
        """Do the next piece of what is wanted, raising nothing, and give way soon after `interrupted` says so.

        It says so while a duty that comes first is wanted, and when the session is closed.
        """

    def moved(self, move: Move) -> None:  # noqa: B027 (few duties mind)
        """There is a newer move."""

    def cancel(self) -> None:  # noqa: B027
        """The user asks for no more than is known."""
