"""A small pool of threads shared by all kernels; a kernel runs outside the GIL on its share of the work.

Threads, not processes, and none is started before a kernel asks for more than one. A forked child starts its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import numba


class _Share:
    """One call, and how it ended."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None = (function, arguments)
        self._result: Any = None
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def run(self) -> None:
        assert self._call is not None
        function, arguments = self._call
        try:
            self._result = function(*arguments)
        except BaseException as error:  # handed to the caller, who raises it
            self._error = error
        finally:
            self._call = None  # an idle thread keeps nobody's arrays
            self._over.release()

    def wait(self) -> None:
        self._over.acquire()

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class _Pool:
    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Share] = SimpleQueue()
        self._guard = threading.Lock()
        self._threads = 0

    def run(self, shares: list[_Share]) -> list[Any]:
        """Results of all shares, the last of which runs in the caller's own thread."""
        with self._guard:
            while self._threads < len(shares) - 1:
                threading.Thread(target=self._serve, name=f"kernel-{self._threads}", daemon=True).start()
                self._threads += 1
        for share in shares[:-1]:
            self._waiting.put(share)
        shares[-1].run()
        for share in shares:  # all must be over, also where one failed, before the caller may touch the arrays
            share.wait()
        return [share.result() for share in shares]

    def _serve(self) -> None:
        while True:
            self._waiting.get().run()


_pool = _Pool()


def _renew() -> None:
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def limit() -> int:
    """The most threads a kernel may use: `NUMBA_NUM_THREADS`, by default the processors this process may run on."""
    settings: Any = numba.config
    return settings.NUMBA_NUM_THREADS


def split(function: Callable[..., Any], count: int, threads: int, *arguments: Any, step: int = 1) -> list[Any]:
    """function(*arguments, start, stop) over 0..count, in up to `threads` contiguous shares at once; their results.

    Shares begin at multiples of `step`. `function` must release the GIL to gain anything, and must not call `split`.
    Raises ValueError for less than one thread, else what `function` raises.
    """
    if threads < 1:
        raise ValueError(f"A kernel runs on 1 thread or more, not {threads}.")
    units = -(-count // step)
    shares = max(1, min(threads, limit(), units))
    if shares == 1:
        return [function(*arguments, 0, count)]
    bounds = [min(count, units * share // shares * step) for share in range(shares + 1)]
    return _pool.run([_Share(function, (*arguments, start, stop)) for start, stop in pairwise(bounds)])
