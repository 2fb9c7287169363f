"""What a network's last layers are shown: the final responses, of which its answers are sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.calibration.running import asked, batches, failing
from workbench.data.split import Split
from workbench.errors import ModelError
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.state import State


def answering(model: Model) -> list[Layer]:
    """The layers that give the scores of each side exit, and those of the network.

    Raises ModelError where one of them does not do so in a call of its own.
    """
    found = [layer for layer in model.layers if model.layout(layer).exit or model.layout(layer).output]
    for layer in found:
        if not layer.called:
            raise ModelError(f"{model.name} gives its answers by {layer.name}, which has no call of its own.")
    return found


def by_feature(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    """[images, positions, features] of what enters it: inputs of a linear layer, channels of a convolution."""
    if layer.kind != "linear":
        x = x.movedim(1, -1)
    return x.reshape(len(x), -1, x.shape[-1])


def final_responses(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """See `Evidence.final_responses`; one pass forward.

    Raises ModelError where the network does not run on the images, or does not answer by such layers, and Stopped
    between two batches.
    """
    module = state.module()
    found: dict[str, list[Floats]] = {}

    def see(layer: Layer, x: torch.Tensor) -> None:
        found.setdefault(layer.name, []).append(by_feature(layer, x).mean(1).double().numpy())

    for layer in answering(state.model):
        for path in layer.paths:
            module.get_submodule(path).register_forward_pre_hook(lambda _, x, layer=layer: see(layer, x[0]))
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode(), passing(module):
        for batch in batches(state, images):
            asked(cancelled)
            module(batch)
    return {name: np.concatenate(pieces) for name, pieces in found.items()}
