"""Work in shares, on as many threads: a kernel runs outside the GIL on its share.

Threads, not processes, and none is started before a kernel asks for more than one. A forked child starts its own.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.np.numpy_support import as_dtype
from numpy.typing import NDArray

from workbench.kernels.threads.job import key_of
from workbench.kernels.threads.workers import Workers


@dataclass(frozen=True, eq=False)
class _Compiled:
    """The forms in which a function was compiled: a table for `Workers.launch`, and the types of their results."""

    table: NDArray[np.int64]
    results: tuple[types.Type, ...]


def limit() -> int:
    """The most threads a kernel may use: `NUMBA_NUM_THREADS`, by default the processors this process may run on."""
    settings: Any = numba.config
    return settings.NUMBA_NUM_THREADS


def split(function: Callable[..., Any], count: int, threads: int, *arguments: Any, step: int = 1) -> list[Any]:
    """function(*arguments, start, stop) over 0..count, in up to `threads` contiguous shares at once; their results.

    Shares begin at multiples of `step`. `function` must release the GIL to gain anything, and must not call `split`. If
    it is compiled, it returns a number or nothing; a call of another one costs the start of its threads. Raises
    ValueError for less than one thread, else what `function` raises, once no share is being worked on.
    """
    if threads < 1:
        raise ValueError(f"A kernel runs on 1 thread or more, not {threads}.")
    units = -(-count // step)
    shares = max(1, min(threads, limit(), units))
    if shares == 1:
        return [function(*arguments, 0, count)]
    if isinstance(function, Dispatcher):
        return _split_compiled(function, count, shares, step, arguments)
    bounds = [min(count, units * share // shares * step) for share in range(shares + 1)]
    with ThreadPoolExecutor(shares) as pool:
        calls = [pool.submit(function, *arguments, *ends) for ends in pairwise(bounds)]
    return [call.result() for call in calls]


def _split_compiled(function: Any, count: int, shares: int, step: int, arguments: tuple[Any, ...]) -> list[Any]:
    workers = _workers
    workers.start(shares - 1)
    compiled = _compiled.get(function, _NONE)
    found = np.empty(shares, np.int64)
    row = workers.launch(compiled.table, found, count, step, arguments)
    if row < 0:
        compiled = _compile(function, tuple(map(numba.typeof, arguments)))
        row = workers.launch(compiled.table, found, count, step, arguments)
    kind = compiled.results[row]
    if kind == types.none:
        return [None] * shares
    numbers = found.view(as_dtype(kind))
    return numbers[:: numbers.size // shares].tolist()


def _compile(function: Any, kinds: tuple[types.Type, ...]) -> _Compiled:
    """What is known of `function`, with its form for arguments of these types."""
    signature = (*kinds, types.int64, types.int64)
    function.compile(signature)
    form = function.overloads[signature]
    result = form.signature.return_type
    if not isinstance(result, types.NoneType | types.Integer | types.Float | types.Boolean):
        raise TypeError(f"A function that is called in shares returns a number or nothing, not {result}.")
    address = form.library.get_pointer_to_function(form.fndesc.llvm_func_name)
    with _guard:
        before = _compiled.get(function, _NONE)
        table = np.append(before.table, [[key_of(kinds), address]], axis=0)
        _compiled[function] = _Compiled(table, (*before.results, result))
        return _compiled[function]


_NONE = _Compiled(np.empty((0, 2), np.int64), ())
_compiled: dict[Any, _Compiled] = {}
_guard = threading.Lock()
_workers = Workers(limit() - 1)


def _renew() -> None:
    global _workers, _guard
    _workers, _guard = Workers(limit() - 1), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
atexit.register(lambda: _workers.stop())  # the code that they run is freed after this
