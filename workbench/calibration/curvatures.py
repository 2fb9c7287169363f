"""How much the loss bends at each weight: the diagonal of its Hessian, in the form of Gauss and Newton."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch

from workbench.calibration.slopes import Call, passes
from workbench.calibration.unrolled import outputs, unrolled
from workbench.data.split import Split
from workbench.evidence import Floats
from workbench.network.layer import Layer
from workbench.network.state import State

_AT_ONCE = 2**24  # gradients held together, one for each image and weight


def curvatures(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """Layer -> see `Evidence.curvatures`; one pass forward and one back for each class.

    h is the mean over images of Σ_c of the squared slopes (`slopes.py`). Raises as `passes` does.
    """
    squares: dict[str, torch.Tensor] = {}
    watched = [
        layer
        for layer in state.model.layers
        if not state.model.layout(layer).not_unrolled and not state.forms[layer.name].factored
    ]
    for one in passes(state, watched, images, cancelled):
        for found in one.slopes():
            for name, square in _squared(one.calls, found).items():
                squares[name] = square + squares.get(name, 0.0)
    return {
        layer.name: layer.arrangement.weight((squares[layer.name] / len(images)).double().numpy())
        for layer in watched
        if layer.name in squares
    }


def _squared(calls: Sequence[Call], slopes: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
    """Layer -> the sum over images of the squared derivative by each weight, in the order of its tensor."""
    products: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
    layers = {call.layer.name: call.layer for call in calls}
    for call, slope in zip(calls, slopes, strict=True):
        products[call.layer.name].append((unrolled(call.module, call.inputs), outputs(call.module, slope)))
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
