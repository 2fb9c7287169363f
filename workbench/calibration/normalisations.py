"""Statistics of batch norms, taken anew of a network as it stands."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.calibration.running import BATCH, asked, failing
from workbench.data.batches import batches
from workbench.data.split import Split
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.state import State


def normalisations(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, dict[str, Floats]]:
    """Layer -> see `Evidence.normalisations`; one pass forward, in which batch norms go by each batch itself.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    module = state.module()
    norms = {
        path: norm
        for path, norm in module.named_modules()
        if isinstance(norm, _BatchNorm) and norm.running_mean is not None
    }
    found: dict[str, dict[str, Floats]] = {layer.name: {} for layer in state.model.layers}
    if not norms:
        return found
    after: dict[str, str] = {}  # batch norm -> the layer that was the last one before it
    last = [state.model.layers[0].name]

    def meet(layer: str) -> None:
        last[0] = layer

    for layer in state.model.layers:
        for path in layer.paths:
            module.get_submodule(path).register_forward_hook(lambda *_, name=layer.name: meet(name))
    for path, norm in norms.items():
        norm.register_forward_pre_hook(lambda *_, path=path: after.setdefault(path, last[0]) and None)
        norm.reset_running_stats()
        norm.momentum = None  # a mean over batches that gives each the same weight
        norm.train()
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode(), passing(module):
        for batch in batches(state.model.entering(images.inputs()), BATCH):
            asked(cancelled)
            module(batch)
    for path, before in after.items():
        found[before] |= {f"{path}.{name}": tensor for name, tensor in _statistics(norms[path]).items()}
    return found


def _statistics(norm: nn.Module) -> dict[str, Floats]:
    return {name: norm.get_buffer(name).double().numpy() for name in ("running_mean", "running_var")}
