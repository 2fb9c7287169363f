"""What an operation that only moves numbers does to the channels of an activation that has some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


def regrouped(shape: torch.Size, layout: Layout, places: torch.Tensor) -> tuple[Layout, torch.Tensor] | None:
    """How the moved activation is there where channels were split, as into heads, or joined again, or an axis moved.

    What is there must be whole slices along one of its axes, whatever the number of images; None where it is not.
    Beside its layout, which numbers of what is there they are made of. shape, places: as above.
    """
    axis = len(shape) + layout.axis
    channels = (places // math.prod(shape[axis + 1 :])) % shape[axis]
    there, fill = torch.from_numpy(layout.there)[channels], torch.from_numpy(layout.fill)[channels]
    fill = torch.where(there, 0.0, fill)
    of_all = torch.full(shape, -1)
    narrow = torch.Size([layout.kept.size if place == axis else size for place, size in enumerate(shape)])
    of_all.index_copy_(axis, torch.from_numpy(layout.kept), torch.arange(math.prod(narrow)).view(narrow))
    images = _of_images(shape, layout.images, places)
    for place in range(places.ndim):
        if images is None or place == images:
            continue
        slices, fills = (tensor.movedim(place, 0).flatten(1) for tensor in (there, fill))
        if (slices == slices[:, :1]).all() and (fills == fills[:, :1]).all():
            kept = slices[:, 0].nonzero()[:, 0]
            after = Layout(place - places.ndim, kept.numpy(), fills[:, 0].numpy().copy(), layout.layers, images)
            return after, of_all.view(-1)[places.index_select(place, kept)]
    return None


def _of_images(shape: torch.Size, axis: int, places: torch.Tensor) -> int | None:
    """Along which axis of the moved activation the images lie, each a slice; None where they do not."""
    images = (places // math.prod(shape[axis + 1 :])) % shape[axis]
    for place in range(places.ndim):
        slices = images.movedim(place, 0).flatten(1)
        if len(slices) == shape[axis] and torch.equal(slices, torch.arange(shape[axis])[:, None].expand(slices.shape)):
            return place
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


def resized(name: str, ndim: int, args: tuple[Any, ...], after: Layout) -> tuple[Any, ...]:
    """The arguments but the first of a call that gives a tensor other sizes, with that of `after` along its axis.

    name: of the call. ndim: of what it gives. Raises ValueError where that size is not among the arguments.
    """
    place, count = ndim + after.axis, after.kept.size
    first: tuple[Any, ...] = ()
    if name == "unflatten":
        first, args = args[:1], args[1:]
        place -= first[0] % (ndim + 1 - len(args[0]))
    if len(args) > 1 or isinstance(args[0], int):
        args = (args,)
    if not isinstance(args[0], tuple | list):  # sizes that are worked out
        return *first, args[0].graph.call_function(_with_size, (args[0], place, count))
    if not 0 <= place < len(args[0]):
        raise ValueError("its size is not among those that are given")
    return *first, _with_size(args[0], place, count)


def _with_size(sizes: Sequence[Any], place: int, count: int) -> tuple[Any, ...]:
    return *sizes[:place], count, *sizes[place + 1 :]
