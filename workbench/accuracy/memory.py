"""Memory of activations that come and go: kept between two batches, given back when there is time.

The C library of Linux (glibc) hands large blocks back to the system as soon as they are freed, and fetches them again,
page by page, for the next batch: running the images of ResNet-8 met half a million page faults, half of its time.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in <malloc.h>
_FREE = 512 * 2**20  # bytes that may lie idle at the end of the heap
_LARGEST = 32 * 2**20  # bytes of a block that is taken from the heap, and the most that glibc accepts


@cache
def keep_freed() -> bool:
    """Have freed memory kept for what comes next, in the whole process. False where the system does not offer it."""
    library = _glibc()
    return library is not None and all(
        library.mallopt(option, size) for option, size in ((_TRIM_THRESHOLD, _FREE), (_MMAP_THRESHOLD, _LARGEST))
    )


def give_back() -> None:
    """Hand the memory that is free now to the system; takes milliseconds."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
