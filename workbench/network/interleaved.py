"""Timing candidates that take turns in one process, so that drift hits all alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any


@contextmanager
def interleaved(candidates: Sequence[Callable[[], Any]]) -> Iterator[Callable[[], tuple[float, ...]]]:
    """A function that calls each candidate once, in turn, and gives the seconds of each.

    Before that each is called twice, which compiles what must be compiled and fills caches. Garbage is not collected
    meanwhile.
    """
    for one in candidates:
        one(), one()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield lambda: tuple(_seconds(one) for one in candidates)
    finally:
        if collecting:
            gc.enable()


def _seconds(candidate: Callable[[], Any]) -> float:
    start = perf_counter()
    candidate()
    return perf_counter() - start
