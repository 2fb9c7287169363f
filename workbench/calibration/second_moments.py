"""The running mean of squared gradients that an optimiser keeps, of a network that stands still."""

from __future__ import annotations

from collections.abc import Callable

import torch

from workbench.calibration.running import asked, failing
from workbench.data.split import Split
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.state import State
from workbench.tasks import TASKS

_BATCH = 10  # images, so that even few of them give many gradients
_DECAY = 0.999  # Adam's second


def second_moments(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """Layer -> see `Evidence.second_moments`; one pass forward and back.

    Raises ModelError where the network gives no gradients on the images, and Stopped between two batches.
    """
    assert state.model.data is not None
    module, loss_of = state.module(), TASKS[state.model.data.task].loss
    layers = [layer for layer in state.model.layers if not state.forms[layer.name].factored]
    tensors = [module.get_parameter(layer.parameter).requires_grad_(True) for layer in layers]
    moments = [torch.zeros_like(tensor, dtype=torch.double) for tensor in tensors]
    entering, truth = state.model.entering(images.inputs()).split(_BATCH), images.targets().split(_BATCH)
    with failing(state.model, "gives no gradients on its calibration images"), passing(module):
        for batch, right in zip(entering, truth, strict=True):
            asked(cancelled)
            gradients = torch.autograd.grad(loss_of(module(batch), right), tensors, materialize_grads=True)
            for moment, gradient in zip(moments, gradients, strict=True):
                moment.mul_(_DECAY).add_(gradient.double().square(), alpha=1 - _DECAY)
    seen = 1 - _DECAY ** len(entering)  # of the running mean, what is not the zero that it began with
    return {
        layer.name: layer.arrangement.weight((moment / seen).numpy())
        for layer, moment in zip(layers, moments, strict=True)
    }
