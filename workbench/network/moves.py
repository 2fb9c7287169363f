"""What an operation that only moves numbers does to the channels of an activation that has some of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from workbench.network.layouts import Layout
from workbench.weights.arrays import Indices


@dataclass(frozen=True, eq=False)
class Move:
    """How the moved activation is made of what is there.

    flattens: whether that is flattened first, from its channels on. there, index: how many channels (features) it then
    has, and those that are taken, in their order. unfolds: whether each becomes an image of one pixel at the end.
    axis, kept: of the channels that are there afterwards. channels: for each of all of them, the channel that it was.
    """

    axis: int
    there: int
    index: Indices
    kept: Indices
    channels: Indices
    flattens: bool = False
    unfolds: bool = False


def moved_channels(shape: torch.Size, layout: Layout, places: torch.Tensor) -> Move | None:
    """None where what is moved are not whole channels, nor the features of each image.

    shape: of the whole activation. places: where in it (flattened) each number of the moved one comes from.
    """
    axis = len(shape) + layout.axis
    inner = math.prod(shape[axis + 1 :])
    at = np.where(layout.there, np.cumsum(layout.there) - 1, -1)  # channel -> where it is
    channels = _channels(shape, axis, inner, places)
    if channels is not None:
        index = at[channels]
        return Move(layout.axis, layout.kept.size, index[index >= 0], np.flatnonzero(index >= 0), channels)
    features = _features(shape, places) if axis == 1 else None
    if features is None:
        return None
    channels, inside = features // inner, features % inner
    index = at[channels] * inner + inside
    kept = np.flatnonzero(at[channels] >= 0)
    there = layout.kept.size * inner
    if places.ndim == 2:
        return Move(-1, there, index[kept], kept, channels, flattens=len(shape) > 2)
    if len(shape) == 2 and places.ndim == 4 and places.shape[2:] == (1, 1):
        return Move(-3, there, index[kept], kept, channels, unfolds=True)
    return None


def _channels(shape: torch.Size, axis: int, inner: int, places: torch.Tensor) -> Indices | None:
    """Which channel each channel was; None where one is not a whole one in its place."""
    sides = list(places.shape)
    if len(sides) != len(shape) or not places.numel():
        return None
    sides[axis] = shape[axis]
    if sides != list(shape):
        return None
    channels = (places.movedim(axis, 0).flatten(1)[:, 0] // inner) % shape[axis]
    numbers = torch.arange(math.prod(shape)).view(shape)
    return channels.numpy() if torch.equal(numbers.index_select(axis, channels), places) else None


def _features(shape: torch.Size, places: torch.Tensor) -> Indices | None:
    """Which number of its image each number was; None where that is not the same for all images."""
    if not places.numel() or places.shape[0] != shape[0]:
        return None
    size = math.prod(shape[1:])
    of_images = places.reshape(len(places), -1) - size * torch.arange(len(places))[:, None]
    first = of_images[0]
    alike = torch.equal(of_images, first.expand(of_images.shape)) and int(first.min()) >= 0 and int(first.max()) < size
    return first.numpy() if alike else None
