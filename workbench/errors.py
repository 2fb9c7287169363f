"""The errors a user can meet: each carries one sentence that names the layer, the file or the field.

And how work ends that is no longer wanted.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from workbench.names import sentence

Made = TypeVar("Made")
_cancelled: ContextVar[Callable[[], bool]] = ContextVar("cancelled", default=lambda: False)


class WorkbenchError(ValueError):
    """Base of every error that bad input causes; its text is one sentence fit for a page or a terminal."""

    def __init__(self, said: str) -> None:
        super().__init__(sentence(said))


class ModelError(WorkbenchError):
    """A model that is unknown, or that cannot be traced, loaded or compressed."""


class BlankError(WorkbenchError):
    """What needs weights was asked of a network that is known by its shapes alone."""


class DataError(WorkbenchError):
    """Images or labels that are missing, damaged or of the wrong shape."""


class RecipeError(WorkbenchError):
    """A recipe whose steps, settings or layers do not fit."""


class FormatError(WorkbenchError):
    """A packed file that is damaged, too large, or of an unknown version."""


class DeviceError(WorkbenchError):
    """A device that is unknown, or whose file is incomplete."""


def reason(error: Exception) -> str:
    """The first line of what an exception of somebody else's code says, with its kind where that says more."""
    said = str(error).strip()
    if not said:
        return type(error).__name__
    first = sentence(said.splitlines()[0].rstrip("."))
    return first if isinstance(error, (RuntimeError, ValueError)) else f"{type(error).__name__}: {first}"


class Stopped(Exception):
    """Whoever asked for the work said, through its `cancelled`, that it is no longer wanted."""


@contextmanager
def wanted_until(cancelled: Callable[[], bool]) -> Iterator[None]:
    """What the calling thread does within this is wanted until `cancelled` says so."""
    before = _cancelled.set(cancelled)
    try:
        yield
    finally:
        _cancelled.reset(before)


def still_wanted() -> None:
    """Called between two rounds of what takes long, of one layer, too. Raises Stopped where it is no longer wanted."""
    if _cancelled.get()():
        raise Stopped


def resumed(work: Callable[[Callable[[], bool]], Made], newest: Callable[[], object]) -> Generator[None, None, Made]:
    """What `work` gives. It is left as soon as `newest` gives something else, and begun anew at the next piece.

    work: is handed the function that says whether it is no longer wanted.
    """
    while True:
        before = newest()

        def cancelled(before: object = before) -> bool:
            return newest() != before

        try:
            with wanted_until(cancelled):
                return work(cancelled)
        except Stopped:
            yield
