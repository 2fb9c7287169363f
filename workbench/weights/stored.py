"""Runs of bytes in a packed file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Stored:
    """One run of bytes in the packed file.

    name: unique within its layer. part: what the report counts it under: "codes", "indices", "codebooks" or "scales".
    symbols: how many numbers of `width` bits are packed in it, which a coder may store in fewer; width 0 where it is no
    such stream.
    """

    name: str
    part: str
    data: NDArray[np.uint8]
    width: int = 0
    symbols: int = 0


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The array's bytes in storage order, little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
