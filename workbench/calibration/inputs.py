"""What enters each layer of a network, over calibration images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.calibration.running import asked, batches, failing
from workbench.data.split import Split
from workbench.evidence import Floats, Inputs
from workbench.models.exits import passing
from workbench.network.state import State

_BINS = 2048


def measured_inputs(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, Inputs]:
    """Layer -> what enters it: one pass for the ranges, one for the histograms.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    squares: dict[str, Floats] = {}
    seen: dict[str, int] = {}

    def widen(layer: str, x: torch.Tensor) -> None:
        lows[layer] = min(lows.get(layer, np.inf), float(x.min()))
        highs[layer] = max(highs.get(layer, -np.inf), float(x.max()))
        channels = x.flatten(2).transpose(1, 2).flatten(0, 1) if x.ndim > 2 and _is_convolution(state, layer) else x
        channels = channels.reshape(-1, channels.shape[-1]).double()
        squares[layer] = squares.get(layer, 0.0) + channels.square().sum(0).numpy()
        seen[layer] = seen.get(layer, 0) + len(channels)

    _watch(state, images, widen, cancelled)
    counts = {layer: np.zeros(_BINS) for layer in lows}

    def count(layer: str, x: torch.Tensor) -> None:
        low, high = lows[layer], highs[layer]
        if high > low:
            counts[layer] += torch.histc(x.float(), _BINS, low, high).double().numpy()
        else:
            counts[layer][0] += x.numel()

    _watch(state, images, count, cancelled)
    return {
        layer: Inputs(
            low=lows[layer],
            high=highs[layer],
            edges=np.linspace(lows[layer], highs[layer], _BINS + 1),
            counts=counts[layer],
            energy=squares[layer] / seen[layer],
        )
        for layer in lows
    }


def _watch(
    state: State, images: Split, see: Callable[[str, torch.Tensor], None], cancelled: Callable[[], bool]
) -> None:
    """Run the images and show `see` what enters each layer."""
    module = state.module()
    for layer in state.model.layers:
        for path in layer.paths:
            watched = module.get_submodule(path)
            watched.register_forward_pre_hook(lambda _, x, name=layer.name: see(name, x[0]))
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode(), passing(module):
        for batch in batches(state, images):  # what enters a layer does not hang on an exit's threshold
            asked(cancelled)
            module(batch)


def _is_convolution(state: State, layer: str) -> bool:
    return state.model.layer(layer).kind != "linear"
