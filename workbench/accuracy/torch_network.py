"""A network run operation by operation in torch, which is fastest on channels-last tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from workbench.accuracy.fused import fused
from workbench.accuracy.graph import Graph
from workbench.accuracy.network import BATCH, Live, stand_ins
from workbench.accuracy.pooling import sliced
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.simulated import rounding
from workbench.weights.form import Form

_LARGE_BATCH = 500  # of networks whose activations are few: the calls themselves would take as long as the work
_SMALL = 8192  # bytes of activations an image, for a large batch


class TorchNetwork:
    """See `Network`. Raises whatever a forward pass raises that resists (see `Graph`) or cannot take the layout."""

    def __init__(self, model: Model, example: torch.Tensor, layout: torch.memory_format) -> None:
        self._model, self._layout = model, layout
        module = _formatted(copy.deepcopy(model.module), layout)
        for path, one in [found for found in module.named_modules() if isinstance(found[1], nn.MaxPool2d)]:
            module.set_submodule(path, sliced(one))
        self._roundings: dict[str, list[RemovableHandle]] = {}
        self.graph = Graph(module, {layer.name: layer.aliases for layer in model.layers}, model.noise(2))
        self.first_use = self.graph.first_use
        x = _laid_out(example, layout)
        self.sizes = [size // len(x) for size in self.graph.sizes(x)]
        self.batch = _LARGE_BATCH if max(self.sizes) <= _SMALL else BATCH

    def fill(self, layer: Layer, form: Form) -> None:
        slot = self.graph.slots[layer.name]
        for hook in self._roundings.pop(layer.name, ()):
            hook.remove()
        levels, original = form.entering, self._model.module.get_submodule(layer.name)
        if not form.factored and layer.aliases:  # other modules use the same weight
            if levels is not None:
                self._roundings[layer.name] = [
                    hook
                    for path in (layer.name, *layer.aliases)
                    for hook in rounding(self._body(path), self._model.module.get_submodule(path), levels)
                ]
            with torch.no_grad():
                cast(torch.Tensor, slot.body.weight).copy_(torch.tensor(form.parts[0].values))
            return
        if levels is not None and levels.by_window:  # sums are multiplied before anything else is done to them
            body = nn.Sequential(*(_formatted(one, self._layout) for one in stand_ins(layer, form, original)))
            self._roundings[layer.name] = rounding(body, original, levels)
            slot.body = nn.Sequential(body, *slot.after)
            return
        if levels is not None:
            self._roundings[layer.name] = rounding(slot, original, levels)
        *first, last = (_formatted(one, self._layout) for one in stand_ins(layer, form, original))
        bodies = [*(fused(one, (), self._layout) for one in first), fused(last, slot.after, self._layout)]
        slot.body = nn.Sequential(*bodies) if first else bodies[0]

    def _body(self, path: str) -> nn.Module:
        """What stands in the place of a module of the network."""
        slot = self.graph.slots.get(path)
        return self.graph.module.get_submodule(path) if slot is None else slot.body

    def suits(self, forms: Mapping[str, Form]) -> bool:
        return True

    def begin(self, images: torch.Tensor) -> Live:
        return (_laid_out(images, self._layout),)

    def run(self, live: Live, start: int, stop: int | None = None) -> Live:
        return self.graph.run(_spare(self.graph, live), start, stop)

    def held(self, live: Live) -> Live:
        return live


def _spare(graph: Graph, live: Live) -> Live:
    """What `graph` may work on: copies where it works in place, so that what is kept stays as it is."""
    if not graph.mutates:
        return live
    return tuple(one.clone() if isinstance(one, torch.Tensor) else one for one in live)


def _formatted(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    return cast(nn.Module, cast(Any, module).to(memory_format=layout))  # which torch's own annotations lack


def _laid_out(x: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
    return x.contiguous(memory_format=layout) if x.ndim == 4 else x
