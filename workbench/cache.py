"""The only cache: results by what they were computed from, with a ceiling on the bytes it holds."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from threading import Lock
from time import perf_counter
from typing import Any, Generic, TypeVar
from weakref import ref

import numpy as np

V = TypeVar("V")


@dataclass(frozen=True)
class _Held(Generic[V]):
    """worth: what the cache's age must reach before the value goes, and the number of the last request for it.

    gain: seconds a byte that it saves.
    """

    value: V
    nbytes: int
    gain: float
    worth: tuple[float, int]


class Cache(Generic[V]):
    """Results by the content they were computed from, or by the objects.

    When the ceiling is reached, the value goes whose computing cost the fewest seconds for each byte that it takes; one
    that was not asked for while others went loses to those that were (GreedyDual-Size: Cao and Irani, "Cost-aware WWW
    proxy caching algorithms", USITS 1997, section 4). Safe to use from several threads; two that ask for the same
    missing value at once may both compute it, and both are given the one that is held.
    """

    def __init__(self, ceiling: int, clock: Callable[[], float] = perf_counter) -> None:
        """ceiling: bytes of array data held at most. clock: seconds, by which the cost of a value is taken."""
        self.ceiling = ceiling
        self._clock = clock
        self._held: dict[Hashable, _Held[V]] = {}
        self._queue: list[tuple[tuple[float, int], Hashable]] = []  # least worth first, as it was when last looked at
        self._gone: deque[Hashable] = deque()  # keys whose owner is no more
        self._age = 0.0
        self._requests = 0
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, compute: Callable[[], V], owner: object = None, keep: bool = True) -> V:
        """The value under `key`, computed now if it is not held.

        owner: an object, compared by identity, that the value was computed from. The value is forgotten with it, so it
        must not hold it. keep: whether to hold what is computed now, which takes the room of something else.
        """
        asked = key if owner is None else (key, ref(owner))
        with self._lock:
            self._forget()
            held = self._held.get(asked)
            if held is not None:
                self._held[asked] = _Held(held.value, held.nbytes, held.gain, self._worth(held.gain))
                return held.value
        start = self._clock()
        value = compute()
        seconds = self._clock() - start
        nbytes = _nbytes(value)
        with self._lock:
            held = self._held.get(asked)
            if held is not None:
                return held.value
            if keep and nbytes <= self.ceiling:
                self._enter(asked if owner is None else _owned(key, owner, self._gone), value, nbytes, seconds)
        return value

    @property
    def nbytes(self) -> int:
        """Bytes of array data held now."""
        with self._lock:
            self._forget()
            return self._bytes

    def keys(self) -> list[Hashable]:
        """Of the values held now."""
        with self._lock:
            self._forget()
            return list(self._held)

    def _enter(self, key: Hashable, value: V, nbytes: int, seconds: float) -> None:
        while self._bytes + nbytes > self.ceiling:
            self._evict()
        gain = seconds / max(nbytes, 1)
        worth = self._worth(gain)
        self._held[key] = _Held(value, nbytes, gain, worth)
        self._bytes += nbytes
        heappush(self._queue, (worth, key))

    def _worth(self, gain: float) -> tuple[float, int]:
        self._requests += 1
        return self._age + gain, self._requests

    def _evict(self) -> None:
        """Drop the value of least worth, which becomes the age: what is asked for from now on is worth more by it."""
        while True:
            worth, key = self._queue[0]
            held = self._held.get(key)
            if held is not None and held.worth > worth:  # asked for since
                heapreplace(self._queue, (held.worth, key))
                continue
            heappop(self._queue)
            if held is not None:
                self._drop(key)
                self._age, _ = held.worth
                return

    def _drop(self, key: Hashable) -> None:
        self._bytes -= self._held.pop(key).nbytes

    def _forget(self) -> None:
        """Drop what belonged to objects that are no more."""
        while self._gone:
            key = self._gone.popleft()
            if key in self._held:
                self._drop(key)
        if len(self._queue) > 2 * len(self._held) + 64:  # else what went is passed over when its turn comes
            self._queue = [one for one in self._queue if one[1] in self._held]
            heapify(self._queue)


def _owned(key: Hashable, owner: object, gone: deque[Hashable]) -> Hashable:
    """The key of an owner's value, which is added to `gone` when the owner is freed.

    That may be at any moment, in the middle of a lookup, too, so no lock is taken.
    """
    return key, ref(owner, lambda dead: gone.append((key, dead)))


def fingerprint(*content: Any) -> str:
    """Digest of arrays (dtype, shape and bytes), tuples of what can be digested, and anything else by its repr."""
    digest = hashlib.blake2b(digest_size=16)
    for one in content:
        if isinstance(one, np.ndarray):
            digest.update(f"{one.dtype.str}{one.shape}".encode())
            digest.update(np.ascontiguousarray(one).data)
        elif isinstance(one, tuple):  # whose repr would leave out most of a large array
            digest.update(f"({fingerprint(*one)})".encode())
        else:
            digest.update(f"{one!r};".encode())
    return digest.hexdigest()


def _nbytes(value: Any) -> int:
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(_nbytes(one) for one in value.values())
    if isinstance(value, (tuple, list)):
        return sum(_nbytes(one) for one in value)
    if hasattr(value, "__dataclass_fields__"):
        return sum(_nbytes(getattr(value, name)) for name in value.__dataclass_fields__)
    return 64
