"""Long work in short pieces, such as a search, taken up whenever nobody waits for anything else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.errors import WorkbenchError
from workbench.names import sentence

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pursuit:
    """steps: does a piece of the work whenever it is asked for the next one, and tells in it how far it is.

    found: called with each of them. ended: called once, with "" or with a sentence on why it failed.
    """

    steps: Iterator[Any]
    found: Callable[[Any], None]
    ended: Callable[[str], None]


class Pursuing(Duty):
    """Takes a piece of what was begun last, until that is done or dropped. Of one name there is one at a time."""

    takes_turns = True

    def __init__(self, bulletin: Bulletin, rest: float, yields: bool = False) -> None:
        super().__init__(bulletin)
        self.rest, self.yields = rest, yields
        self._begun: dict[str, Pursuit] = {}

    @property
    def wanted(self) -> bool:
        return bool(self._begun)

    def begin(self, name: str, pursuit: Pursuit) -> None:
        self.drop(name)
        self._begun[name] = pursuit

    def drop(self, name: str) -> None:
        """Give it up; it hears no more of its end."""
        self._begun.pop(name, None)

    def work(self, interrupted: Callable[[], bool]) -> None:
        with self._bulletin.changed:
            name, pursuit = next(reversed(self._begun.items()), ("", None))
        if pursuit is None:
            return
        failure = _piece(name, pursuit)
        if failure is None:
            return
        with self._bulletin.changed:
            standing = self._begun.get(name) is pursuit
            if standing:
                del self._begun[name]
        if standing:
            try:
                pursuit.ended(failure)
            except Exception:
                _log.exception("nobody could be told that %s has ended", name)


def _piece(name: str, pursuit: Pursuit) -> str | None:
    """None while there is more to do, "" at the end, else why it failed."""
    try:
        pursuit.found(next(pursuit.steps))
    except StopIteration:
        return ""
    except WorkbenchError as error:
        return str(error)
    except Exception as error:
        _log.exception("%s failed", name)
        return sentence(f"This ended early: {type(error).__name__}: {error}")
    return None
