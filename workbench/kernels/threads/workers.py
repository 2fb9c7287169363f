"""Threads that wait for shares of a job outside the GIL: first busily, for a moment, then asleep.

A worker is known by its state, one word. A caller offers its job to free workers, works on the shares itself, too, and
takes the job back from those that have not come round to it. So it never waits for a thread to wake up, only for a
share that is being worked on; and several callers at once get along, down to each with its own thread alone.
"""

from __future__ import annotations

import threading
from time import perf_counter, sleep
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.atomic import acquire, exchange, new_lock, pause, read, release, write
from workbench.kernels.threads.job import (
    ARGUMENTS,
    CODE,
    COUNT,
    ERROR,
    FUNCTION,
    NEXT,
    OUTCOME,
    OUTCOMES,
    RESULT,
    SHARES,
    STATUS,
    STEP,
    key,
    raise_error,
    run,
    shares_code,
    spilled,
)
from workbench.kernels.threads.processors import all_but_one, keep_to, this_processor
from workbench.kernels.vector.aligned import LINE, aligned

# States of a worker. Any other is the address of the job that it is offered, that address + _BUSY while it works on it,
# + _AWAITED if the caller sleeps until it is over; then it is the caller who frees the worker.
_FREE, _ASLEEP, _STOPPED = 0, -1, -2
_BUSY, _AWAITED = 1, 2

# Words of a worker: its state, the locks that it and that a caller sleep on, the system's number of its thread, and the
# processor that it is kept away from. No two workers share a cache line, nor a pair.
_STATE, _WAKE, _OVER, _THREAD, _AWAY, _WORDS = 0, 1, 2, 3, 4, 2 * LINE // 8

_SPIN = 200e-6  # seconds for which a thread waits busily, about the time between two layers of a network
_PAUSES = 1000  # timed to see how many fill that time


class Workers:
    """Up to `most` threads, started when they are first asked for."""

    def __init__(self, most: int) -> None:
        self._words = aligned((most, _WORDS), np.int64)
        self._words[:, _STATE] = _STOPPED
        self._words[:, _AWAY] = -1
        self._masks = all_but_one()
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._spins = 0

    def start(self, count: int) -> None:
        """See to it that `count` threads, but at most as many as there may be, were started."""
        count = min(count, len(self._words))
        if len(self._threads) >= count:
            return
        with self._guard:
            if not self._threads:
                self._spins = _spins()
                _serve.compile((types.Array(types.int64, 2, "C"), types.int64, types.int64))
            while len(self._threads) < count:
                arguments = self._words, len(self._threads), self._spins
                one = threading.Thread(target=_serve, args=arguments, name=f"kernel-{arguments[1]}", daemon=True)
                one.start()
                self._words[arguments[1], _THREAD] = one.native_id or 0
                self._threads.append(one)
                while self._words[arguments[1], _STATE] == _STOPPED:
                    sleep(_SPIN)

    def launch(
        self, table: NDArray[np.int64], results: NDArray[np.int64], count: int, step: int, arguments: tuple[Any, ...]
    ) -> int:
        """Call a function on 0..count in `results.size` shares; their results are written as the first bytes of a word.

        table: [kinds, 2], `job.key_of` the arguments' types and the address of the function for these. Returns the row
        that was used, -1 and calls nothing where there is none. Raises what the function raises.
        """
        found: int = _launch(self._words, self._masks, table, results, count, step, self._spins, *arguments)
        return found

    def stop(self) -> None:
        """End the threads that have nothing to do, and wait for their end."""
        with self._guard:
            for worker, thread in enumerate(self._threads):
                if _stop(self._words, worker):
                    thread.join()


def _spins() -> int:
    """How many pauses take `_SPIN` seconds."""
    _pauses(1)
    seconds = []
    for _ in range(5):
        start = perf_counter()
        _pauses(_PAUSES)
        seconds.append(perf_counter() - start)
    return int(_SPIN / min(seconds) * _PAUSES)


@jit
def _pauses(count):  # type: ignore[no-untyped-def]
    for _ in range(count):
        pause()


@jit
def _serve(words, worker, spins):  # type: ignore[no-untyped-def]
    """Work on what is offered until stopped."""
    state = words.ctypes.data + worker * _WORDS * 8
    words[worker, _WAKE], words[worker, _OVER] = new_lock(), new_lock()
    acquire(words[worker, _WAKE])
    acquire(words[worker, _OVER])
    write(state, _FREE)
    waited = 0
    while True:
        found = read(state)
        if found == _STOPPED:
            return
        if found > 0 and found & (_BUSY | _AWAITED) == 0 and exchange(state, found, found | _BUSY):
            run(found)
            if not exchange(state, found | _BUSY, _FREE):
                release(words[worker, _OVER])
            waited = 0
        elif waited < spins:
            waited += 1
            pause()
        elif exchange(state, _FREE, _ASLEEP):
            acquire(words[worker, _WAKE])
            waited = 0


@jit
def _stop(words, worker):  # type: ignore[no-untyped-def]
    """Tell a worker to end, unless it is busy."""
    state = words.ctypes.data + worker * _WORDS * 8
    if exchange(state, _ASLEEP, _STOPPED):
        release(words[worker, _WAKE])
        return True
    return exchange(state, _FREE, _STOPPED)


@jit
def _launch(words, masks, table, results, count, step, spins, *arguments):  # type: ignore[no-untyped-def]
    row = -1
    for one in range(len(table)):
        if table[one, 0] == key(arguments):
            row = one
    if row < 0:
        return row
    job = np.empty(OUTCOMES + results.size * OUTCOME, np.int64)
    job[CODE], job[FUNCTION], job[ARGUMENTS] = shares_code(arguments), table[row, 1], spilled(arguments)
    job[NEXT], job[SHARES], job[COUNT], job[STEP] = 0, results.size, count, step
    address, first = job.ctypes.data, words.ctypes.data
    wanted = results.size - 1
    worker = 0
    while worker < len(words) and wanted > 0:
        state = first + worker * _WORDS * 8
        if exchange(state, _FREE, address):
            wanted -= 1
        elif exchange(state, _ASLEEP, address):
            wanted -= 1
            here = this_processor()
            if 0 <= here < len(masks) and words[worker, _AWAY] != here:
                keep_to(words[worker, _THREAD], masks[here].ctypes.data)
                words[worker, _AWAY] = here
            release(words[worker, _WAKE])
        worker += 1
    run(address)
    for one in range(worker):
        state = first + one * _WORDS * 8
        if exchange(state, address, _FREE):  # has not come round to it
            continue
        waited = 0
        while read(state) == address | _BUSY:
            if waited < spins:
                waited += 1
                pause()
            elif exchange(state, address | _BUSY, address | _AWAITED):
                acquire(words[one, _OVER])
                write(state, _FREE)
    for share in range(results.size):
        outcome = OUTCOMES + share * OUTCOME
        raise_error(job[outcome + STATUS], job[outcome + ERROR])
        results[share] = job[outcome + RESULT]
    return row
