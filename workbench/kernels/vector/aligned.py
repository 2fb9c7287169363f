"""Arrays that start on a cache line: vectors that straddle two lines cost up to twice as much."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE = 64  # bytes


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array of `shape`, C order, contents undefined, whose first byte lies on a cache line."""
    shape = (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """The same, filled with zeros."""
    array = aligned(shape, dtype)
    array.fill(0)
    return array


def as_aligned(array: NDArray[Any]) -> NDArray[Any]:
    """`array` itself where it is in C order and starts on a cache line, else a copy that does."""
    if array.flags.c_contiguous and array.ctypes.data % LINE == 0:
        return array
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy
