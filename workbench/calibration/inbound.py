"""How differently each input channel adds to each output map from image to image."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from workbench.calibration.running import asked, batches, failing
from workbench.calibration.unrolled import unrolled
from workbench.data.split import Split
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.state import State

_AT_ONCE = 2**23  # products held together, one for each image and weight


def inbound(state: State, layer: Layer, images: Split, cancelled: Callable[[], bool]) -> Floats:
    """See `Evidence.inbound`; one pass forward.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    module, groups, (out, channels) = state.module(), layer.groups, layer.shape[:2]
    kernels = torch.from_numpy(state.forms[layer.name].compose()).double().reshape(groups, out // groups, channels, -1)
    calls: list[torch.Tensor] = []
    sums = squares = torch.zeros(groups, out // groups, channels, dtype=torch.double)
    seen = 0

    def see(one: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        calls.append(unrolled(one, inputs[0]))

    for path in layer.paths:
        module.get_submodule(path).register_forward_pre_hook(see)
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode(), passing(module):
        for batch in batches(state, images):
            asked(cancelled)
            calls.clear()
            module(batch)
            if not calls:
                continue
            x = torch.cat(calls, 3)  # its calls add up
            for some in x.split(max(_AT_ONCE // max(math.prod(layer.shape), 1), 1)):
                norms = _norms(some, kernels)
                sums, squares = sums + norms.sum(0), squares + norms.square().sum(0)
            seen += len(x)
    mean = sums / max(seen, 1)
    return (squares / max(seen, 1) - mean.square()).clamp(min=0).reshape(out, channels).numpy()


def _norms(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """[images, groups, rows, channels]: ‖w ∗ x_c‖ over all positions, by the second moments of a channel's windows.

    x: [images, groups, channels · kernel, positions]. kernels: [groups, rows, channels, kernel].
    """
    windows = x.double().reshape(*x.shape[:2], *kernels.shape[2:], -1)
    seen = torch.einsum("ngckl,grcl->ngrck", windows @ windows.mT, kernels)
    return (seen * kernels).sum(4).clamp(min=0).sqrt()
