"""Which channels of an activation a slimmed network has, and what takes it from some of them to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from workbench.weights.arrays import Floats, Indices


@dataclass(frozen=True, eq=False)
class Layout:
    """What is there of an activation.

    axis: of its channels, counted from the end (-3 of images, -1 of rows). kept: the channels that are there. fill:
    float32, one a channel of the whole activation, what each number of one that is not there would be. layers: those
    that left channels out. images: the axis of the images, counted from the start.
    """

    axis: int
    kept: Indices
    fill: Floats
    layers: frozenset[str] = frozenset()
    images: int = 0

    @classmethod
    def whole(cls, axis: int, channels: int) -> Layout:
        """All of them."""
        return cls(axis, np.arange(channels), np.zeros(channels, np.float32))

    @property
    def channels(self) -> int:
        """Of the whole activation."""
        return self.fill.size

    @property
    def complete(self) -> bool:
        return self.kept.size == self.channels

    @property
    def there(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each channel, whether it is there."""
        found = np.zeros(self.channels, bool)
        found[self.kept] = True
        return found


class Relaid(nn.Module):
    """An activation with the channels `before` to one with those of `after`: some picked out, others filled in."""

    def __init__(self, before: Layout, after: Layout) -> None:
        super().__init__()
        self.axis = before.axis
        common, source, target = np.intersect1d(before.kept, after.kept, return_indices=True)
        self.index: torch.Tensor | None
        self.register_buffer("index", None if source.size == before.kept.size else torch.from_numpy(source))
        self.register_buffer("target", torch.from_numpy(target))
        fill = torch.from_numpy(before.fill[after.kept].copy()).reshape(-1, *[1] * (-before.axis - 1))
        self.fill: torch.Tensor | None
        self.register_buffer("fill", fill if common.size < after.kept.size else None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.index is not None:
            x = x.index_select(self.axis, self.index)
        if self.fill is None:
            return x
        shape = list(x.shape)
        shape[self.axis] = len(self.fill)
        return self.fill.expand(shape).clone().index_copy_(self.axis, cast(torch.Tensor, self.target), x)


class Picked(nn.Module):
    """Channels of an activation in another order, some of them several times or not at all."""

    def __init__(self, axis: int, index: Indices) -> None:
        super().__init__()
        self.axis = axis
        self.index: torch.Tensor
        self.register_buffer("index", torch.from_numpy(index))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.index_select(self.axis, self.index)


def whole_shape(x: torch.Tensor, axis: int, channels: int) -> torch.Size:
    """The shape that `x` would have with all its `channels` along `axis`."""
    shape = list(x.shape)
    shape[axis] = channels
    return torch.Size(shape)
