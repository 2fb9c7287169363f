"""By how much the means of layers' outputs have moved away from those of the network as it came."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.calibration.running import asked, batches, failing
from workbench.data.split import Split
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.state import State


def shifts(state: State, came: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, dict[str, Floats]]:
    """Layer -> see `Evidence.shifts`; one pass forward of both networks.

    came: the network that is compared with, of the same layers. Raises ModelError where one of them does not run on the
    images, and Stopped between two batches.
    """
    module, original = state.module(), came.module()
    means: dict[str, list[torch.Tensor]] = {}
    moved: dict[str, list[torch.Tensor]] = {}
    found: dict[str, dict[str, Floats]] = {layer.name: {} for layer in state.model.layers}

    def watch(layer: Layer, path: str) -> None:
        axis = -1 if layer.kind == "linear" else 1
        present = torch.from_numpy(_present(state, layer, f"{path}.bias"))

        def remember(_: object, inputs: object, y: torch.Tensor) -> None:
            means.setdefault(path, []).append(_mean(y, axis))

        def correct(_: object, inputs: object, y: torch.Tensor) -> torch.Tensor:
            shift = (means[path].pop(0) - _mean(y, axis)) * present
            moved.setdefault(path, []).append(shift)
            return (y.movedim(axis, -1) + shift.to(y.dtype)).movedim(-1, axis)

        original.get_submodule(path).register_forward_hook(remember)
        module.get_submodule(path).register_forward_hook(correct)

    watched = [(layer, path) for layer in state.model.layers for path in layer.paths if not layer.special]
    watched = [(layer, path) for layer, path in watched if f"{path}.bias" in state.model.rest]
    for layer, path in watched:
        watch(layer, path)
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode():
        for batch in batches(state, images):
            asked(cancelled)
            means.clear()
            with passing(original):
                original(batch)
            with passing(module):
                module(batch)
    for layer, path in watched:
        if path in moved:
            found[layer.name][f"{path}.bias"] = torch.stack(moved[path]).mean(0).numpy()
    return found


def _present(state: State, layer: Layer, bias: str) -> np.typing.NDArray[np.bool_]:
    """[channels]: which of a layer's outputs are still there; of one that is emptied, the bias is zero, too."""
    alive: np.typing.NDArray[np.bool_] = state.forms[layer.name].parts[-1].alive[0]
    return alive | (state.model.rest[bias] != 0)


def _mean(y: torch.Tensor, axis: int) -> torch.Tensor:
    return y.double().movedim(axis, -1).reshape(-1, y.shape[axis]).mean(0)
