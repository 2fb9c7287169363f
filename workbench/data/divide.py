"""One pile of images divided into four splits, each image by its content alone.

Where an image goes is read off the SHA-256 of its numbers: the same on every machine and in any order, and it stays
there however many are added. Copies of an image go where it goes, so that no two splits share one. Each share is met as
nearly as chance allows: of n images, within about 1/√n of it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.split import SplitName

SHARES: dict[SplitName, float] = {"test": 0.2, "validation": 0.1, "calibration": 0.1, "train": 0.6}


def divide(images: NDArray[Any]) -> dict[SplitName, NDArray[np.int64]]:
    """Split -> the numbers of its images, in their order; a split that none falls into is not there."""
    names = list(SHARES)
    ends = np.cumsum(list(SHARES.values()))[:-1]
    places = np.searchsorted(ends, [_place(image) for image in images], side="right")
    found = {name: np.flatnonzero(places == number) for number, name in enumerate(names)}
    return {name: numbers for name, numbers in found.items() if len(numbers)}


def _place(image: NDArray[Any]) -> float:
    """Within 0..1, evenly spread over different images."""
    return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big") / 2**64
