"""The compressed network as a plain torch module: decoded weights, ordinary torch layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from workbench.form import Form
from workbench.model import Layer, Model


def simulated(model: Model, forms: Mapping[str, Form]) -> nn.Module:
    """A copy of the model's module that holds the forms' values; each product becomes a Sequential of two layers."""
    module = copy.deepcopy(model.module)
    for layer in model.layers:
        form = forms[layer.name]
        target = module.get_submodule(layer.name)
        if form.product is None:
            with torch.no_grad():
                target.weight.copy_(torch.from_numpy(form.parts[0].values.copy()))
        else:
            _replace(module, target, _product(layer, form, target))
    return module


def _product(layer: Layer, form: Form, original: Any) -> nn.Sequential:
    first, second = (torch.from_numpy(part.values.copy()) for part in form.parts)
    pair: tuple[nn.Linear | nn.Conv2d, nn.Linear | nn.Conv2d]
    if layer.kind == "linear":
        pair = (nn.Linear(first.shape[1], len(first), bias=False), nn.Linear(len(first), len(second), layer.has_bias))
    else:
        vertical, horizontal = _geometry(form, original)
        mode = original.padding_mode
        pair = (
            nn.Conv2d(first.shape[1], len(first), tuple(first.shape[2:]), bias=False, padding_mode=mode, **vertical),
            nn.Conv2d(
                len(first), len(second), tuple(second.shape[2:]), bias=layer.has_bias, padding_mode=mode, **horizontal
            ),
        )
    for one, weight in zip(pair, (first, second), strict=True):
        one.weight = nn.Parameter(weight, requires_grad=False)
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


def _replace(module: nn.Module, target: nn.Module, replacement: nn.Module) -> None:
    """Put `replacement` wherever `target` is used."""
    for path, one in list(module.named_modules(remove_duplicate=False)):
        if one is target:
            module.set_submodule(path, replacement)
