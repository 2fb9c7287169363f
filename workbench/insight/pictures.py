"""Images of a data set as bytes to be drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.data.split import Split

LARGEST = 64  # pixels of a side: larger images are averaged down
Pixels = NDArray[np.uint8]


def drawable(shape: tuple[int, ...]) -> bool:
    """Whether inputs of that shape are pictures: [channels, height, width] in grey or in colours."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 1


def pixels(split: Split, which: NDArray[np.int64]) -> Pixels:
    """Images of these numbers as uint8 [images, height, width, channels].

    Floats are drawn from the smallest to the largest value of each image, since a data set may lie in any range.
    """
    images = split.images[which]
    if images.dtype != np.uint8:
        images = stretched(images)
    step = -(-max(images.shape[2:]) // LARGEST)
    if step > 1:
        images = _averaged(images, step)
    return np.ascontiguousarray(np.moveaxis(images, 1, 3))


def stretched(images: NDArray[np.float32]) -> Pixels:
    """Floats [images, ...] as bytes, from the smallest to the largest value of each image."""
    flat = images.reshape(len(images), -1)
    low, high = flat.min(1, keepdims=True), flat.max(1, keepdims=True)
    scaled = 255 * (flat - low) / np.where(high > low, high - low, 1)
    return np.rint(scaled).astype(np.uint8).reshape(images.shape)


def _averaged(images: Pixels, step: int) -> Pixels:
    """Every step × step pixels as one; what is left over at the right and below is left out."""
    count, channels, height, width = images.shape
    down, across = height // step, width // step
    whole = images[:, :, : down * step, : across * step].astype(np.float32)
    return whole.reshape(count, channels, down, step, across, step).mean((3, 5)).round().astype(np.uint8)
