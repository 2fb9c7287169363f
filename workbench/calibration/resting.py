"""What is left of channels that hold still, where the next layers multiply them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import partial

import torch
from torch import nn

from workbench.calibration.running import failing
from workbench.evidence import Channels, Constant
from workbench.models.exits import passing
from workbench.network.state import State


class Resting:
    """A pass in which every channel that can be emptied gives what its batch norm adds, or its bias, and no more.

    That is one number for all positions, and stays so through whatever takes each channel on its own. Raises ModelError
    where the network cannot be run.
    """

    def __init__(self, state: State, channels: Channels) -> None:
        self._linear = {path for layer in state.model.layers if layer.kind == "linear" for path in layer.paths}
        self._layers: dict[str, nn.Module] = {}
        self._entering: dict[str, list[torch.Tensor]] = defaultdict(list)  # of each call
        module = state.module().double()
        places: dict[str, set[int]] = defaultdict(set)
        for channel in (channel for cluster in channels.clusters for channel in cluster):
            for name, row in channel.rows:
                for path in state.model.layer(name).paths:
                    places[path].add(row)
            for tensor, index in channel.beside:
                places[tensor.rpartition(".")[0]].add(index)
        hooks = []
        for layer in state.model.layers:
            for path in layer.paths:
                self._layers[layer.name] = module.get_submodule(path)
                hooks.append(self._layers[layer.name].register_forward_pre_hook(partial(self._see, layer.name)))
        for path, still in places.items():
            hooks.append(
                module.get_submodule(path).register_forward_hook(partial(_still, self._axis(path), sorted(still)))
            )
        x = state.model.noise()
        with failing(state.model, "does not run"), torch.inference_mode(), passing(module):
            module(x.double() if x.is_floating_point() else x)
        for hook in hooks:
            hook.remove()

    def constant(self, layer: str, inputs: Collection[int]) -> Constant:
        """See `Evidence.constant`."""
        axis, chosen = self._axis(layer), list(inputs)
        added: torch.Tensor | None = None
        uneven = 0.0
        for x in self._entering[layer]:
            alone = torch.zeros_like(x)
            alone.movedim(axis, -1)[..., chosen] = x.movedim(axis, -1)[..., chosen]
            with torch.inference_mode():
                maps = (self._layers[layer](alone) - self._layers[layer](torch.zeros_like(x))).movedim(axis, 0)[:, 0]
            middle = maps[(slice(None), *(size // 2 for size in maps.shape[1:]))]
            added = middle if added is None else added
            uneven = max(uneven, float((maps - added.reshape(-1, *[1] * (maps.ndim - 1))).abs().max()))
        assert added is not None
        return Constant(added.numpy(), uneven)

    def _axis(self, path: str) -> int:
        """Of the channels."""
        return -1 if path in self._linear else 1

    def _see(self, layer: str, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._entering[layer].append(inputs[0])


def _still(axis: int, places: list[int], module: nn.Module, inputs: object, z: torch.Tensor) -> torch.Tensor:
    """The map of a module with these channels at what it adds to them."""
    last = module[-1] if isinstance(module, nn.Sequential) else module
    held = z.clone()
    bias = getattr(last, "bias", None)
    held.movedim(axis, -1)[..., places] = 0 if bias is None else bias[places]
    return held
