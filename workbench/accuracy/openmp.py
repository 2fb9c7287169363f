"""The threads that torch keeps for each thread that calls it, ended where another thread is to have the processors.

OpenMP's threads wait busily for the next operation, which then begins in microseconds. GNU's library has them do so
only while there are no more of them in the process than processors: a second thread that calls torch makes those of
both fall asleep after every operation, and networks with small layers take twice as long.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

_SOFT = 1  # omp_pause_soft, section 18.6 of the OpenMP 5.2 specification: what the program has set is kept


def end_pool() -> bool:
    """End the threads that torch keeps for the calling thread; its next call starts them again.

    Takes microseconds where there are none. False where the system does not offer it.
    """
    library = _library()
    return library is not None and library.omp_pause_resource_all(_SOFT) == 0


@cache
def _library() -> Any:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "omp_pause_resource_all") else None
