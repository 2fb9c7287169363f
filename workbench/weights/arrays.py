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
