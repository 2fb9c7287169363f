"""Timing candidates against each other: interleaved runs in one process, so that drift hits all alike."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any

LEAST_TIMED = 2e-3  # seconds; shorter calls are repeated inside one timing until they take this long
SLOW = 0.1  # seconds
PAUSE = 0.01  # seconds in which the threads of the candidate before, which wait for work by spinning, fall asleep
ROUNDS = 25
_most_rounds: ContextVar[int | None] = ContextVar("most_rounds", default=None)


@dataclass(frozen=True)
class Row:
    """One line of the benchmark.

    seconds: median of one call of the kernel. opponents: the same of what a user would pick instead, on the same work.
    limit_share: share of the physical limit (bandwidth or arithmetic) that the kernel reaches, None where unknown.
    """

    kernel: str
    case: str
    threads: int
    seconds: float
    opponents: Mapping[str, float]
    limit_share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "kernel": self.kernel,
            "case": self.case,
            "threads": self.threads,
            "seconds": self.seconds,
            "opponents": dict(self.opponents),
            "limit_share": self.limit_share,
        }


@dataclass(frozen=True)
class Case:
    """One measurement of the benchmark, of a kernel and its opponents at once.

    measure: its rows at a number of threads, most often one. quick: whether `workbench bench kernels --quick` makes it,
    and the README shows it. shared: whether its work can be shared out among threads; else it is timed on one alone.
    """

    kernel: str
    measure: Callable[[int], Iterable[Row]]
    quick: bool = False
    shared: bool = True


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Inside the block torch computes on so many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def at_most(rounds: int | None) -> Iterator[None]:
    """Inside the block nothing is timed in more rounds than this, quicker and scattered more; None: no limit."""
    before = _most_rounds.set(rounds)
    try:
        yield
    finally:
        _most_rounds.reset(before)


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, budget: float = 10.0
) -> dict[str, float]:
    """Median seconds of one call of each candidate.

    Every round times every candidate once, in turn, after a pause and a call that is not timed: so none pays for the
    caches and the threads of the one before it, which a call of more than `SLOW` seconds would not feel. Slow
    candidates get fewer rounds: a round is skipped for one that has used its share of `budget`
    seconds, but each is timed three times at least. `at_most` limits the rounds of all. Garbage collection waits
    meanwhile.
    """
    rounds = min(rounds, _most_rounds.get() or rounds)
    calls = {name: _calls(one) for name, one in candidates.items()}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    spent = dict.fromkeys(candidates, 0.0)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for round_ in range(rounds):
            for name, one in candidates.items():
                if round_ >= 3 and spent[name] > budget / len(candidates):
                    continue
                sleep(PAUSE)
                if not times[name] or times[name][-1] < SLOW:
                    one()
                taken = _timed(one, calls[name])
                times[name].append(taken / calls[name])
                spent[name] += taken
    finally:
        if collecting:
            gc.enable()
    return {name: statistics.median(found) for name, found in times.items()}


def _calls(one: Callable[[], object]) -> int:
    """How many calls make a timing long enough; the first calls also warm caches and compile."""
    one()
    single = _timed(one, 1)
    if single < LEAST_TIMED:
        single = min(single, _timed(one, 1))
    return max(1, round(LEAST_TIMED / max(single, 1e-9)))


def _timed(one: Callable[[], object], calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        one()
    return perf_counter() - start
