"""The one order in which test images are run.

Two runs of the same weights must agree to the last image, whoever asks: a float sum may round differently in a batch of
another size, so every batch of a network has as many images (the last one is filled up with repeats whose answers are
dropped), and an image stands at the same place of the same batch whether it is run among the first 500 or among all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.split import Split
from workbench.errors import DataError

if TYPE_CHECKING:
    import torch


def class_balanced_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A fixed permutation of N images, every prefix of which holds each class in its share of the whole.

    To within one image where the classes are equally large, a few where they are not.

    Inside a class the order is scrambled by a hash of the image's index, since data sets are often sorted by difficulty
    (the first half of MNIST's test images is the easier one).
    """
    scrambled = np.argsort(_hash(len(labels)), kind="stable")
    by_class = scrambled[np.argsort(labels[scrambled], kind="stable")]
    _, first, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(first, counts)
    return by_class[np.argsort((rank + 0.5) / np.repeat(counts, counts), kind="stable")]


def _hash(count: int) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood 2014) of 0..count-1: the same on every machine and numpy version."""
    with np.errstate(over="ignore"):
        x = (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class Selection:
    """Images of `split` in another order, which stay where they are; labels, int64, and truth in that order.

    order: numbers of the images, int64.
    """

    split: Split
    order: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[Any]

    def __len__(self) -> int:
        return len(self.order)

    def inputs(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Those from one place up to another as a new tensor, see `Split.inputs`."""
        return self.split.inputs(self.order[start:stop])


def selection(split: Split, images: int | None = None) -> Selection:
    """The first `images` of a split in class-balanced order; None for all of them, in that order.

    Raises DataError for a number that the split does not have.
    """
    if images is not None and not 1 <= images <= len(split):
        raise DataError(f"The {split.name} split has {len(split):,} images; {images:,} of them cannot be used.")
    order = class_balanced_order(split.labels)[:images]
    labels = split.labels[order]
    return Selection(split, order, labels, labels if split.truth is split.labels else split.truth[order])
