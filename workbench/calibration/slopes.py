"""How the loss of each image would change with what each layer gives, were each class its label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from workbench.calibration.running import asked, batches, failing
from workbench.data.split import Split
from workbench.errors import DataError
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.state import State

_WITHOUT = "gives no derivatives on its calibration images"


@dataclass(frozen=True)
class Call:
    """A call of a layer in a pass over a batch. module: that was called. inputs, outputs: what entered, and left."""

    layer: Layer
    module: nn.Module
    inputs: torch.Tensor
    outputs: torch.Tensor


@dataclass(frozen=True)
class Pass:
    """A batch that went through a network. calls: of the layers that are watched."""

    calls: Sequence[Call]
    _model: Model
    _scores: torch.Tensor
    _cancelled: Callable[[], bool]

    def slopes(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """For each class c, by what each call gave: √p_c times the derivative of each image's loss, were c its label.

        The Hessian of cross entropy by the scores is Σ_c p_c (e_c − p)(e_c − p)ᵀ, so that of Gauss and Newton by any
        weights is the mean over images of Σ_c s_c s_cᵀ, s_c these derivatives by them.
        """
        probabilities = self._scores.detach().softmax(1)
        given, classes = [call.outputs for call in self.calls], self._scores.shape[1]
        for label in range(classes):
            asked(self._cancelled)
            signal = probabilities - functional.one_hot(torch.tensor(label), classes)
            signal = signal * probabilities[:, label : label + 1].sqrt()
            with failing(self._model, _WITHOUT):
                found = torch.autograd.grad(self._scores, given, signal, retain_graph=True, materialize_grads=True)
            yield found


def passes(state: State, layers: Sequence[Layer], images: Split, cancelled: Callable[[], bool]) -> Iterator[Pass]:
    """The images through the network, a batch at a time, with `layers` watched, which are called and not factored.

    Raises ModelError where the network gives no derivatives on the images, DataError where its outputs are no class
    scores, and Stopped between two batches and classes.
    """
    module = state.module()
    calls: list[Call] = []

    def keep(layer: Layer, one: nn.Module, inputs: tuple[torch.Tensor, ...], z: torch.Tensor) -> torch.Tensor:
        calls.append(Call(layer, one, inputs[0].detach(), z))
        return z.clone()  # what follows may work in place

    for layer in layers:
        for path in layer.paths:
            module.get_submodule(path).register_forward_hook(
                lambda one, inputs, z, layer=layer: keep(layer, one, inputs, z)
            )
    with failing(state.model, _WITHOUT), passing(module):
        for batch in batches(state, images):
            asked(cancelled)
            calls.clear()
            scores = module(batch.clone().requires_grad_())
            if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or scores.shape[1] < 2:
                raise DataError(f"{state.model.name} gives no scores of classes, which this method asks for.")
            yield Pass(tuple(calls), state.model, scores, cancelled)
