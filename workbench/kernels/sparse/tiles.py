"""The dense side of a sparse product: the checks of what comes in, and column tiles of it in aligned scratch memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import register_file
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import lanes_of, load_some
from workbench.kernels.vector.registers import load, store
from workbench.kernels.vector.stretches import scratch

Floats = NDArray[np.float32]

_HALF = register_file().floats * register_file().count // 2  # floats that half of the registers hold
WIDEST = min(64, _HALF)  # columns worked on at once: the sums of a row
PAIRED = min(WIDEST, _HALF // 2)  # and up to which a row has two sums, so that one rests while the other is added to


def operands(shape: tuple[int, int], x: Floats, bias: Floats | None) -> tuple[Floats, Floats, Floats]:
    """`x` and the bias in C order, and room for the result: flat arrays for a product with a matrix of `shape`.

    x: float32 [in, columns] or [in]. bias: float32 [out] or None. Raises ValueError where they do not fit the matrix.
    """
    rows, inputs = shape
    if x.dtype != np.float32:
        raise ValueError(f"The dense operand must be float32, not {x.dtype}.")
    if x.ndim not in (1, 2) or x.shape[0] != inputs:
        raise ValueError(f"A matrix {rows}×{inputs} multiplies [{inputs}, columns], not {list(x.shape)}.")
    if bias is None:
        bias = np.zeros(rows, np.float32)
    elif bias.shape != (rows,) or bias.dtype != np.float32:
        raise ValueError(f"A bias for {rows} rows is float32 [{rows}], not {bias.dtype} {list(bias.shape)}.")
    result = aligned((rows, *x.shape[1:]), np.float32)
    return np.ascontiguousarray(x).reshape(-1), np.ascontiguousarray(bias), result


def column_count(x: Floats) -> int:
    return 1 if x.ndim == 1 else int(x.shape[1])


def tiles(columns: int, widest: int = WIDEST) -> list[tuple[int, int, tuple[int, ...]]]:
    """Runs of equal column tiles: first column, number of tiles, and the tile's width as `lanes_of` takes it.

    All tiles are `widest` but the last, whose width is the smallest of 8, 16, 32 ... that takes what is left.
    """
    whole, rest = divmod(columns, widest)
    if 2 * rest > widest:
        whole, rest = whole + 1, 0
    runs = [(0, whole, (0,) * (widest // 8))] if whole else []
    if rest > 0:
        runs.append((whole * widest, 1, (0,) * (1 << (-(-rest // 8) - 1).bit_length())))
    return runs


def total_bytes(arrays: Iterable[Any]) -> int:
    """Bytes held by those of `arrays` that are arrays."""
    return sum(one.nbytes for one in arrays if isinstance(one, np.ndarray))


@jit
def fill(into, x, columns, at, start, stop, width):  # type: ignore[no-untyped-def]
    """Columns `at` to at + lanes of rows start..stop of `x`, as [stop − start, lanes]; zeros beyond the last column."""
    lanes = lanes_of(width)
    kept = min(lanes, columns - at)
    to = 0
    for row in range(start, stop):
        if kept == lanes:
            store(into, to, load(x, row * columns + at, lanes))
        else:
            store(into, to, load_some(x, row * columns + at, kept, lanes))
        to += lanes


@jit
def whole_tile(x, columns, at, width):  # type: ignore[no-untyped-def]
    """All rows of a tile: `x` itself where it is that already, else a copy."""
    lanes = lanes_of(width)
    if columns == lanes and x.ctypes.data & 63 == 0:
        return x
    inputs = x.size // columns
    tile = scratch(inputs * lanes, np.float32)
    fill(tile, x, columns, at, 0, inputs, width)
    return tile
