"""Relative indices: each entry of a sparse tensor by the number of zeros since the entry before it.

A gap of w bits reaches 2^w − 1 zeros; a longer run is bridged by filler entries, which stand on a zero themselves and
so cover 2^w positions each (Han, Mao, Dally, Deep Compression, ICLR 2016, section 2). Zeros after the last entry are
not written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit

WIDTHS = range(2, 9)


def count_entries(values: NDArray[np.float32]) -> tuple[int, NDArray[np.int64]]:
    """Number of non-zero values, and of fillers for each width in `WIDTHS`, in one pass."""
    fillers = np.zeros(len(WIDTHS), np.int64)
    nonzeros = _count_entries(np.ascontiguousarray(values, np.float32).reshape(-1), WIDTHS.start, fillers)
    return int(nonzeros), fillers


def entries(values: NDArray[np.float32], width: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Gap and position of every entry, fillers included, both [number of entries].

    Raises ValueError for a width outside `WIDTHS`.
    """
    if width not in WIDTHS:
        raise ValueError(f"A gap has {WIDTHS.start} to {WIDTHS.stop - 1} bits, not {width}.")
    values = np.ascontiguousarray(values, np.float32).reshape(-1)
    nonzeros, fillers = count_entries(values)
    count = nonzeros + int(fillers[width - WIDTHS.start])
    gaps, positions = np.empty(count, np.uint8), np.empty(count, np.int64)
    _entries(values, width, gaps, positions)
    return gaps, positions


@jit
def _count_entries(values, narrowest, fillers):  # type: ignore[no-untyped-def]
    nonzeros = 0
    after = 0  # position after the last non-zero value
    for i in range(values.size):
        if values[i] != 0:
            nonzeros += 1
            zeros = i - after
            after = i + 1
            if zeros >> narrowest:
                for j in range(fillers.size):
                    fillers[j] += zeros >> (narrowest + j)
    return nonzeros


@jit
def _entries(values, width, gaps, positions):  # type: ignore[no-untyped-def]
    reach = 1 << width
    entry = 0
    after = 0
    for i in range(values.size):
        if values[i] != 0:
            while i - after >= reach:
                gaps[entry] = reach - 1
                positions[entry] = after + reach - 1
                entry += 1
                after += reach
            gaps[entry] = i - after
            positions[entry] = i
            entry += 1
            after = i + 1
