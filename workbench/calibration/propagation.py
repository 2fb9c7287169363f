"""How much each feature map weighs in a network's answers, handed back through absolute weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from workbench.calibration.final_responses import answering, by_feature
from workbench.calibration.maps import Maps, over_positions
from workbench.calibration.running import failing
from workbench.evidence import Channels, Floats
from workbench.models.exits import exits, passing
from workbench.network.layer import Layer
from workbench.network.state import State

_FAINT = 1e-3  # what the largest activation is brought to: there any activation is as good as linear
_TRIES = 20  # to get there: behind a sigmoid nothing is ever so faint, and need not be


def propagated(state: State, channels: Channels, final: Mapping[str, Floats] | None = None) -> dict[str, Floats]:
    """Layer -> see `Evidence.propagated`: gradients of a network of absolute weights, near nothing.

    With weights, norms, biases and what enters the first layers above zero nothing in it is negative, so a ReLU is
    linear; an activation that bends elsewhere is shown so little that it does not. Raises ModelError where that fails.
    """
    state = state.with_forms(
        {name: form.with_entering(None) for name, form in state.forms.items()}
    )  # nothing is rounded
    maps, module = Maps(state.model, channels), state.module().double()
    seen: list[tuple[str, torch.Tensor, int]] = []
    weighed: list[torch.Tensor] = []  # what scores are handed back from
    found: dict[str, Floats] = {}

    def see(owner: str, z: torch.Tensor, axis: int) -> None:
        seen.append((owner, z, axis))

    def enter(one: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return torch.full_like(inputs[0], level).requires_grad_(), *inputs[1:]  # whatever norms the images pass before

    def weigh(one: nn.Module, inputs: object, y: torch.Tensor) -> None:
        weighed.append(y.sum())

    def score(layer: Layer, x: torch.Tensor, scores: Floats) -> None:
        weighed.append((by_feature(layer, x) @ torch.from_numpy(scores)).sum())

    maps.show(module, see)
    if final is None:
        for one in exits(module).values():
            one.side.register_forward_hook(weigh)
    else:
        for layer in answering(state.model):
            for path in layer.paths:
                module.get_submodule(path).register_forward_pre_hook(
                    lambda _, x, layer=layer: score(layer, x[0], final[layer.name])
                )
    for layer in state.model.layers:
        if state.model.layout(layer).first:
            for path in layer.paths:
                module.get_submodule(path).register_forward_pre_hook(enter)
    with failing(state.model, "hands no scores back from layer to layer"), passing(module):
        level = 1.0
        for _ in range(_TRIES):  # since an activation with a ceiling hides how large its input is
            seen.clear()
            weighed.clear()
            _make_absolute(module, level)
            image = torch.full((1, *state.model.input_shape), level, dtype=torch.double, requires_grad=True)
            answers = [y.sum() for y in tree_leaves(module(image)) if isinstance(y, torch.Tensor)]
            largest = max((float(z.detach().abs().max()) for _, z, _ in seen), default=0.0)
            if not largest > _FAINT:
                break
            level *= 0.5 * _FAINT / largest
        total = sum(weighed if final is not None else [*weighed, *answers], torch.zeros((), dtype=torch.double))
        gradients = torch.autograd.grad(total, [z for _, z, _ in seen], materialize_grads=True)
        for (owner, _, axis), gradient in zip(seen, gradients, strict=True):
            found[owner] = over_positions(gradient, axis)[0].numpy() + found.get(owner, 0.0)
    return maps.by_layer(found)


def _make_absolute(module: nn.Module, bias: float) -> None:
    """Take the signs off weights, and let every bias be the same: what is added plays no part in a derivative."""
    with torch.no_grad():
        for path, parameter in module.named_parameters():
            parameter.fill_(bias) if path.rpartition(".")[2] == "bias" else parameter.abs_()
        for one in module.modules():
            if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.running_mean is not None:
                one.running_mean.zero_()
