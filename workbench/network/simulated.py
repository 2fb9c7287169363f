"""The compressed network as a plain torch module: decoded weights, ordinary torch layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from workbench.network.model import Layer, Model
from workbench.weights.form import Form


def simulated(model: Model, forms: Mapping[str, Form]) -> nn.Module:
    """A copy of the model's module that holds the forms' values; each product becomes a Sequential of two layers."""
    module = copy.deepcopy(model.module)
    for layer in model.layers:
        form = forms[layer.name]
        target = module.get_submodule(layer.name)
        if form.product is None:
            with torch.no_grad():
                cast(torch.Tensor, target.weight).copy_(torch.from_numpy(form.parts[0].values.copy()))
        else:
            replace(module, target, product(layer, form, target))
    return module


def product(layer: Layer, form: Form, original: Any) -> nn.Sequential:
    """The two torch layers that a product stands for, in the place of `original`."""
    first, second = (nn.Parameter(torch.from_numpy(part.values.copy()), requires_grad=False) for part in form.parts)
    rank, out = len(first), len(second)
    pair: list[nn.Linear] | list[nn.Conv2d]
    # made without memory ("meta"): drawing first weights would take time and move torch's random generator
    if layer.kind == "linear":
        pair = [nn.Linear(first.shape[1], rank, False, "meta"), nn.Linear(rank, out, layer.has_bias, "meta")]
    else:
        vertical, horizontal = _geometry(form, original)
        common = {"padding_mode": original.padding_mode, "device": "meta"}
        pair = [
            nn.Conv2d(first.shape[1], rank, (first.shape[2], first.shape[3]), bias=False, **vertical, **common),
            nn.Conv2d(rank, out, (second.shape[2], second.shape[3]), bias=layer.has_bias, **horizontal, **common),
        ]
    pair[0].weight, pair[1].weight = first, second
    if layer.has_bias:
        pair[1].bias = nn.Parameter(original.bias.detach().clone(), requires_grad=False)
    return nn.Sequential(*pair).eval()


def _geometry(form: Form, original: nn.Conv2d) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stride, padding and dilation of the two factors."""
    if form.product == "channel":
        whole = {"stride": original.stride, "padding": original.padding, "dilation": original.dilation}
        return whole, {}
    named = isinstance(original.padding, str)
    padding: Any = (original.padding, original.padding) if named else original.padding
    vertical = {
        "stride": (original.stride[0], 1),
        "padding": padding[0] if named else (padding[0], 0),
        "dilation": (original.dilation[0], 1),
    }
    horizontal = {
        "stride": (1, original.stride[1]),
        "padding": padding[1] if named else (0, padding[1]),
        "dilation": (1, original.dilation[1]),
    }
    return vertical, horizontal


def replace(module: nn.Module, target: nn.Module, replacement: nn.Module) -> None:
    """Put `replacement` wherever `target` is used."""
    for path, one in list(module.named_modules(remove_duplicate=False)):
        if one is target:
            module.set_submodule(path, replacement)
