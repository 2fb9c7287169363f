"""The compressed network as a plain torch module: decoded weights, ordinary torch layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from workbench.network.model import Layer, Model
from workbench.weights.form import Factor, Form, Passage
from workbench.weights.levels import Levels


def simulated(model: Model, forms: Mapping[str, Form]) -> nn.Module:
    """A copy of the model's module that holds the forms' values; a layer of several factors becomes a Sequential."""
    module = copy.deepcopy(model.module)
    for layer in model.layers:
        form = forms[layer.name]
        target = module.get_submodule(layer.name)
        if form.factored:
            replace(module, target, chain(layer, form, target))
        else:
            with torch.no_grad():
                cast(torch.Tensor, target.weight).copy_(torch.from_numpy(form.parts[0].values.copy()))
    round_inputs(module, model, forms)
    return module


def round_inputs(module: nn.Module, model: Model, forms: Mapping[str, Form]) -> None:
    """Have every layer of `module`, whatever stands in its place, round its input to the levels of its form."""
    for layer in model.layers:
        round_input(module, layer, forms[layer.name].entering)


def round_input(module: nn.Module, layer: Layer, levels: Levels | None) -> list[RemovableHandle]:
    """Have whatever stands in the place of `layer`, and of the modules that share its weight, round its input."""
    if levels is None:
        return []
    places = dict.fromkeys(module.get_submodule(path) for path in (layer.name, *layer.aliases))
    return [place.register_forward_pre_hook(RoundedInput(levels)) for place in places]


class RoundedInput:
    """What a layer does to its input before anything else.

    A gradient goes through as if nothing were rounded (straight-through; Bengio, Leonard, Courville, arXiv 1308.3432,
    section 4), so that a network whose inputs are rounded can be trained.
    """

    def __init__(self, levels: Levels) -> None:
        self._levels = levels

    def __call__(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        x, *others = inputs
        return (_StraightThrough.apply(x, self._levels) if x.requires_grad else rounded(x, self._levels), *others)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, levels: Levels) -> torch.Tensor:
        return rounded(x, levels)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None


def rounded(x: torch.Tensor, levels: Levels) -> torch.Tensor:
    """float32 of any shape, each number at the nearest of `levels`, which all of them share; laid out as `x` is."""
    x = x.detach()
    last = x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    plain = x.permute(0, 2, 3, 1) if last else x.contiguous()
    found = torch.from_numpy(levels.nearest(plain.numpy().reshape(len(x), -1), None)).reshape(plain.shape)
    return found.permute(0, 3, 1, 2) if last else found


def chain(layer: Layer, form: Form, original: Any) -> nn.Sequential:
    """The torch layers that the factors stand for, in the place of `original`; the last one has its bias."""
    made = [_factor(layer, factor, original, last=factor is form.factors[-1]) for factor in form.factors]
    return nn.Sequential(*made).eval()


def _factor(layer: Layer, factor: Factor, original: Any, last: bool) -> nn.Linear | nn.Conv2d:
    # made without memory ("meta"): drawing first weights would take time and move torch's random generator
    weight = torch.from_numpy(factor.part.values.copy())
    bias = last and layer.has_bias
    made: nn.Linear | nn.Conv2d
    if layer.kind == "linear":
        made = nn.Linear(weight.shape[1], weight.shape[0], bias, "meta")
    else:
        groups = factor.passage.groups
        made = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            (weight.shape[2], weight.shape[3]),
            groups=groups,
            bias=bias,
            padding_mode=original.padding_mode,
            device="meta",
            **_passing(factor.passage, original),
        )
    made.weight = nn.Parameter(weight, requires_grad=False)
    if bias:
        made.bias = nn.Parameter(original.bias.detach().clone(), requires_grad=False)
    return made


def _passing(passage: Passage, original: nn.Conv2d) -> dict[str, Any]:
    """Stride, padding and dilation of a factor."""
    axes = passage.rows, passage.columns
    if not any(axes):
        return {}
    stride = tuple(step if taken else 1 for step, taken in zip(original.stride, axes, strict=True))
    dilation = tuple(step if taken else 1 for step, taken in zip(original.dilation, axes, strict=True))
    padding: Any = original.padding  # by name it follows each axis' own length, which is 1 along one that is not taken
    if not isinstance(padding, str):
        padding = tuple(border if taken else 0 for border, taken in zip(original.padding, axes, strict=True))
    return {"stride": stride, "padding": padding, "dilation": dilation}


def replace(module: nn.Module, target: nn.Module, replacement: nn.Module) -> None:
    """Put `replacement` wherever `target` is used."""
    for path, one in list(module.named_modules(remove_duplicate=False)):
        if one is target:
            module.set_submodule(path, replacement)
