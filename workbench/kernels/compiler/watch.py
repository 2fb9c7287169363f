"""What is being compiled, told to whoever shows it: it takes seconds, and happens once on each machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Compiling:
    """kernel: what is compiled now, None between two kernels. ready: how many this process has compiled before it.

    What a kernel calls is compiled with it and not counted. What is loaded from disk is not compiled.
    """

    kernel: str | None
    ready: int


Observer = Callable[[Compiling], None]
_observers: list[Observer] = []
_nested: list[str] = []  # what is compiled now, and within it what it calls; one thread compiles at a time
_ready = 0


def observe(observer: Observer) -> Callable[[], None]:
    """Call `observer` when a kernel begins and ends to be compiled, in whatever thread; returns what ends this.

    The thread holds the compiler's lock meanwhile, so the observer must wait for no other one.
    """
    _observers.append(observer)

    def end() -> None:
        with suppress(ValueError):
            _observers.remove(observer)

    return end


def begun(module: str) -> None:
    """The compiler tells that a function of `module` is compiled from now on."""
    _nested.append(module.removeprefix("workbench.kernels.").replace(".", " "))
    if len(_nested) == 1:
        _tell(Compiling(_nested[0], _ready))


def ended() -> None:
    """It tells that the function begun last is compiled."""
    global _ready
    _nested.pop()
    if not _nested:
        _ready += 1
        _tell(Compiling(None, _ready))


def _tell(compiling: Compiling) -> None:
    for observer in tuple(_observers):
        observer(compiling)
