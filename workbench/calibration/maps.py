"""The feature maps that a network's output channels are: where they stand, and what is read off them for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import nn

from workbench.evidence import Channels, Floats
from workbench.network.layer import Layer
from workbench.network.model import Model

# Of (name of the module that owns the map, the map, which of its axes is the channels); None leaves the map as it is.
Seen = Callable[[str, torch.Tensor, int], torch.Tensor | None]


class Maps:
    """Each channel's map as it leaves its layer, or the batch norm that it meets first.

    A layer that is called by several names owns what leaves it under each of them.
    """

    def __init__(self, model: Model, channels: Channels) -> None:
        self._layers = [layer for layer in model.layers if layer.called]
        self._owners: dict[str, tuple[str, bool]] = {}  # path of a module -> owner, whether channels are the last axis
        self._stands: dict[tuple[str, int], tuple[str, int]] = {}
        for cluster in channels.clusters:
            for channel in cluster:
                self._owners |= {path: (path, False) for path, _ in channel.maps}
                self._stands |= zip(channel.rows, channel.maps, strict=True)
        self._owners |= {path: (layer.name, layer.kind == "linear") for layer in model.layers for path in layer.paths}

    def show(self, module: nn.Module, see: Seen) -> None:
        """Have `see` called with every map that `module`, a network of the model's, gives from now on."""
        for path, (owner, last) in self._owners.items():
            module.get_submodule(path).register_forward_hook(partial(_show, see, owner, last))

    def by_layer(self, found: Mapping[str, Floats]) -> dict[str, Floats]:
        """Layer -> figures of its output channels [..., channels], out of those of the owners of maps."""
        return {
            layer.name: np.stack([found[owner][..., channel] for owner, channel in self._of(layer)], -1)
            for layer in self._layers
        }

    def _of(self, layer: Layer) -> list[tuple[str, int]]:
        """(owner, channel of its map) of each of a layer's output channels."""
        rows = [(layer.name, row) for row in range(layer.shape[0])]
        return [self._stands.get(row, row) for row in rows]


def _show(see: Seen, owner: str, last: bool, module: nn.Module, inputs: object, z: torch.Tensor) -> torch.Tensor | None:
    return see(owner, z, z.ndim - 1 if last else 1)


def over_positions(z: torch.Tensor, axis: int) -> torch.Tensor:
    """[images, channels]: the sum over all positions of a map whose channels lie along `axis`."""
    return z.movedim(axis, -1).reshape(len(z), -1, z.shape[axis]).sum(1)
