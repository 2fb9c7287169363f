"""Accuracy counted on held-out images, in one fixed order and in batches of one fixed size.

Two runs of the same weights must agree to the last image, whoever asks: a float sum may round differently in a batch of
another size, so every batch has BATCH images (the last one is filled up with repeats whose answers are dropped), and an
image stands at the same place of the same batch whether it is run among the first 500 or among all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.data.datasets import Split
from workbench.errors import DataError, ModelError

BATCH = 500


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


def selection(split: Split, images: int | None = None) -> Split:
    """The first `images` of a split in class-balanced order; None for all of them, in that order.

    Raises DataError for a number that the split does not have.
    """
    if images is not None and not 1 <= images <= len(split):
        raise DataError(f"The {split.name} split has {len(split):,} images; {images:,} of them cannot be used.")
    order = class_balanced_order(split.labels)[:images]
    return Split(split.name, split.images[order], split.labels[order])


def answers(
    module: nn.Module, inputs: torch.Tensor, cancelled: Callable[[], bool] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Predicted labels of `inputs` [N, ...], batch by batch; ends between two batches once `cancelled()` is true.

    Raises ModelError where the module is in training mode, fails on the images or does not give one row of scores an
    image.
    """
    if module.training:
        raise ModelError("The network is in training mode, so its answers are not final; call its eval() first.")
    for start in range(0, len(inputs), BATCH):
        if cancelled is not None and cancelled():
            return
        batch = inputs[start : start + BATCH]
        wanted = len(batch)
        if wanted < BATCH:
            batch = batch[torch.arange(BATCH) % wanted]
        yield _predict(module, batch)[:wanted].numpy()


def _predict(module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    shape = tuple(batch.shape[1:])
    try:
        with torch.inference_mode():
            scores = module(batch)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"The network cannot run on images of shape {shape}: {str(error).splitlines()[0]}") from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or len(scores) != len(batch):
        got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ModelError(
            f"The network must give one row of class scores an image; for {len(batch)} images it gave {got}."
        )
    return scores.argmax(1)
