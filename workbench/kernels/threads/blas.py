"""One thread for numpy's products and decompositions.

OpenBLAS shares them out to as many threads as there are processors, which wait for each other busily: where other
processes want those too, most of the time goes by waiting for a thread that does not run. Matrices as small as those of
a layer gain little from a second thread in any case, and what one thread computes is the same on every machine.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from numpy.linalg import _umath_linalg

# As named in numpy's own wheels, and by an OpenBLAS that was installed beside numpy.
_NAMES = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads")
_lock = Lock()
_users = 0
_before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, of whatever thread, numpy's linear algebra takes one; nothing changes where it is no OpenBLAS."""
    global _users, _before
    found = _library()
    if found is None:
        yield
        return
    get, set_ = found
    with _lock:
        if _users == 0:
            _before = get()
            set_(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                set_(_before)


@cache
def _library() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """What tells and sets the number of threads, looked up where numpy's own module finds it."""
    library = ctypes.CDLL(_umath_linalg.__file__)
    for name in _NAMES:
        if hasattr(library, name.format("set")):
            return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None
