"""Names for the arrays that weights are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[Any]  # uint8, or uint16 for more than 8 bits
Bytes = NDArray[np.uint8]
Zeros = NDArray[np.bool_]
Positions = NDArray[np.int64]  # places in the flattened tensor, ascending
Indices = NDArray[np.int64]  # of rows, columns or channels, ascending
Planned = tuple[tuple[str, str, int], ...]  # name, part and bytes of each array of a file

_PIECE = 2**20  # numbers looked at together, so that no other array grows as large


def has_negative_zeros(values: Floats) -> bool:
    """Whether some number is -0.0; float32 in C order."""
    bits = values.reshape(-1).view(np.uint32)
    return any(bool((bits[start : start + _PIECE] == 2**31).any()) for start in range(0, bits.size, _PIECE))


def all_finite(values: NDArray[Any]) -> bool:
    """Whether no number is infinite or NaN."""
    flat = values.reshape(-1)
    return all(bool(np.isfinite(flat[start : start + _PIECE]).all()) for start in range(0, flat.size, _PIECE))
