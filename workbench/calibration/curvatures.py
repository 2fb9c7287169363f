"""How much the loss bends at each weight: the diagonal of its Hessian, in the form of Gauss and Newton."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from workbench.calibration.running import asked, batches, failing
from workbench.calibration.unrolled import outputs, unrolled
from workbench.data.split import Split
from workbench.errors import DataError
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.state import State

_AT_ONCE = 2**24  # gradients held together, one for each image and weight


def curvatures(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """Layer -> see `Evidence.curvatures`; one pass forward and one back for each class.

    For class scores the Hessian of cross entropy is Σ_c p_c (e_c − p)(e_c − p)ᵀ, so h is the mean over images of
    Σ_c p_c (the derivative of an image's loss, were c its label)². Raises ModelError where the network gives no
    derivatives on the images, DataError where its outputs are no class scores, and Stopped between two batches.
    """
    module = state.module()
    squares: dict[str, torch.Tensor] = {}
    calls: list[tuple[Layer, nn.Module, torch.Tensor, torch.Tensor]] = []  # with what enters and what leaves

    def keep(layer: Layer, one: nn.Module, inputs: tuple[torch.Tensor, ...], z: torch.Tensor) -> torch.Tensor:
        calls.append((layer, one, inputs[0].detach(), z))
        return z.clone()  # what follows may work in place

    for layer in state.model.layers:
        if not state.model.layout(layer).not_unrolled and not state.forms[layer.name].factored:
            for path in layer.paths:
                module.get_submodule(path).register_forward_hook(
                    lambda one, inputs, z, layer=layer: keep(layer, one, inputs, z)
                )
    with failing(state.model, "gives no derivatives on its calibration images"), passing(module):
        for batch in batches(state, images):
            asked(cancelled)
            calls.clear()
            scores = module(batch.clone().requires_grad_())
            if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or scores.shape[1] < 2:
                raise DataError(f"{state.model.name} gives no scores of classes, which this method asks for.")
            probabilities = scores.detach().softmax(1)
            for label in range(scores.shape[1]):
                asked(cancelled)
                signal = probabilities - functional.one_hot(torch.tensor(label), scores.shape[1])
                signal = signal * probabilities[:, label : label + 1].sqrt()
                found = torch.autograd.grad(
                    scores, [z for *_, z in calls], signal, retain_graph=True, materialize_grads=True
                )
                for name, square in _squared(calls, found).items():
                    squares[name] = square + squares.get(name, 0.0)
    return {
        layer.name: layer.arrangement.weight((squares[layer.name] / len(images)).double().numpy())
        for layer in state.model.layers
        if layer.name in squares
    }


def _squared(
    calls: list[tuple[Layer, nn.Module, torch.Tensor, torch.Tensor]], signals: tuple[torch.Tensor, ...]
) -> dict[str, torch.Tensor]:
    """Layer -> the sum over images of the squared derivative by each weight, in the order of its tensor."""
    products: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
    layers = {layer.name: layer for layer, *_ in calls}
    for (layer, one, x, _), signal in zip(calls, signals, strict=True):
        products[layer.name].append((unrolled(one, x), outputs(one, signal)))
    return {name: _of_layer(layers[name], sides) for name, sides in products.items()}


def _of_layer(layer: Layer, sides: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    x, signal = (torch.cat([pair[place] for pair in sides], 3) for place in (0, 1))  # its calls add up
    shape = layer.arrangement.tensor(layer.form.parts[0].values).shape
    if x.shape[3] == 1:
        return torch.einsum("ngo,ngi->goi", signal[..., 0].square(), x[..., 0].square()).reshape(shape)
    total = torch.zeros(x.shape[1], signal.shape[2], x.shape[2])
    for some in torch.arange(len(x)).split(max(_AT_ONCE // max(total.numel(), 1), 1)):
        total += torch.matmul(signal[some], x[some].transpose(2, 3)).square().sum(0)
    return total.reshape(shape)
