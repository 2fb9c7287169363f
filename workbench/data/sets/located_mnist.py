"""Located MNIST: one digit of MNIST somewhere on a larger canvas, to be found.

Made from the embedded digits, split by split, so no digit is in two splits. Where a digit lies is drawn from a seed of
the split's own, the same on every machine. The box to be answered is the smallest that holds every pixel of the digit
that is at least half as bright as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workbench.data.sets import DataSource
from workbench.data.sets.mnist import Mnist
from workbench.data.split import SPLITS, Split, SplitName

SIDE = 56  # pixels of the canvas
SEED = 20260301
TIMES = {"train": 2}  # how often each digit is placed, once where nothing is said
_INK = 128


class LocatedMnist(DataSource):
    """Grey images 1 x 56 x 56; labels are the digits, the truth is a box for each (see `workbench.tasks.locating`)."""

    title = "MNIST digits on a canvas of 56 x 56"
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    licence = "CC BY-SA 3.0"
    source = "Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits; placed by the workbench"
    place = 30
    task = "locating"

    @classmethod
    def splits(cls) -> Mapping[SplitName, Callable[[], Split]]:
        return {split: partial(_placed, split, read) for split, read in Mnist.splits().items()}


def _placed(name: SplitName, read: Callable[[], Split]) -> Split:
    digits = read()
    times = TIMES.get(name, 1)
    images, labels = np.repeat(digits.images[:, 0], times, axis=0), np.repeat(digits.labels, times)
    count, height, width = images.shape
    random = np.random.Generator(np.random.PCG64([SEED, SPLITS.index(name)]))
    tops, lefts = random.integers(0, (SIDE - height + 1, SIDE - width + 1), (count, 2)).T
    canvas = np.zeros((count, 1, SIDE, SIDE), np.uint8)
    rows, columns = tops[:, None] + np.arange(height), lefts[:, None] + np.arange(width)
    canvas[np.arange(count)[:, None, None], 0, rows[:, :, None], columns[:, None, :]] = images
    return Split(name, canvas, labels, boxes(canvas[:, 0]))


def boxes(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The smallest box around the ink of each image [images, height, width]: left, top, right, bottom, 0..1."""
    ink = images >= _INK
    ends = []
    for axis in (1, 2):  # whether a column has ink, then whether a row has
        line: NDArray[np.bool_] = np.asarray(ink.any(axis))
        side = line.shape[1]
        ends.append((line.argmax(1) / side, (side - line[:, ::-1].argmax(1)) / side))
    (left, right), (top, bottom) = ends
    return np.stack([left, top, right, bottom], 1).astype(np.float32)
