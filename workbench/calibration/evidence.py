"""Evidence of one state of a network, worked out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import numpy as np
import torch

from workbench.cache import Cache
from workbench.data.split import Split
from workbench.errors import DataError, ModelError, Stopped
from workbench.evidence import Channels, Evidence, Floats, Inputs
from workbench.network.couplings import couplings
from workbench.network.state import State

_BATCH = 100
_BINS = 2048
_coupled: Cache[Channels] = Cache(ceiling=16 * 2**20)
_known: Cache[object] = Cache(ceiling=64 * 2**20)


class Calibration(Evidence):
    """Of `state`, on the calibration images of its model's data set."""

    def __init__(self, state: State, digest: str, cancelled: Callable[[], bool] = lambda: False) -> None:
        """digest: of the model and the recipe that gave `state`, under which the evidence is kept."""
        self._state, self._digest, self._cancelled = state, digest, cancelled

    def inputs(self, layer: str) -> Inputs:
        return self._inputs[layer]

    def channels(self) -> Channels:
        return _coupled.get("channels", lambda: couplings(self._state.model), self._state.model)

    @cached_property
    def _inputs(self) -> Mapping[str, Inputs]:
        key = "inputs", self._digest, self._split.digest
        return _known.get(key, lambda: measured_inputs(self._state, self._split, self._cancelled))  # type: ignore[return-value]

    @cached_property
    def _split(self) -> Split:
        data = self._state.model.data
        if data is None:
            raise DataError(f"{self._state.model.name} has no data set, so there are no images to calibrate on.")
        return data.split("calibration")


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
    hooks = [
        module.get_submodule(path).register_forward_pre_hook(lambda _, x, name=layer.name: see(name, x[0]))
        for layer in state.model.layers
        for path in (layer.name, *layer.aliases)
    ]
    try:
        with torch.inference_mode():
            for batch in _batches(images):
                if cancelled():
                    raise Stopped
                module(batch)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{state.model.name} does not run on its calibration images: {reason}.") from error
    finally:
        for hook in hooks:
            hook.remove()


def _batches(images: Split) -> Iterator[torch.Tensor]:
    yield from images.inputs().split(_BATCH)


def _is_convolution(state: State, layer: str) -> bool:
    return state.model.layer(layer).kind == "conv2d"
