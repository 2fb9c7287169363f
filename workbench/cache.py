"""The only cache: content-addressed, with a ceiling on the bytes it holds."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np

V = TypeVar("V")


class Cache(Generic[V]):
    """Results by the content they were computed from; the least recently used go first when the ceiling is reached.

    Safe to use from several threads; two that ask for the same missing value at once may both compute it.
    """

    def __init__(self, ceiling: int) -> None:
        """ceiling: bytes of array data held at most."""
        self.ceiling = ceiling
        self._held: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, compute: Callable[[], V]) -> V:
        """The value under `key`, computed now if it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
        value = compute()
        cost = _nbytes(value)
        with self._lock:
            if key not in self._held and cost <= self.ceiling:
                self._held[key] = (value, cost)
                self._bytes += cost
                while self._bytes > self.ceiling:
                    self._bytes -= self._held.popitem(last=False)[1][1]
        return value

    @property
    def nbytes(self) -> int:
        """Bytes of array data held now."""
        return self._bytes


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
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_nbytes(one) for one in value.values())
    if isinstance(value, (tuple, list)):
        return sum(_nbytes(one) for one in value)
    if hasattr(value, "__dataclass_fields__"):
        return sum(_nbytes(getattr(value, name)) for name in value.__dataclass_fields__)
    return 64
