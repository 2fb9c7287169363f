"""A layer and what follows it as one call of oneDNN, with the weight laid out for it beforehand.

Batch norm is worked into the weight and the bias (Jacob et al., arXiv 1712.05877, section 3.2, equation 14), the
activation into the call, so that outputs are written once and not read again before the next layer.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

_ROWS = 100  # for about as many inputs at once a linear layer's weight is laid out
_LARGE = 2**14  # weights of a linear layer, below which the call takes longer than torch's product

Activation = nn.ReLU | nn.ReLU6


def follows(layer: nn.Module, between: Sequence[nn.Module], module: nn.Module) -> bool:
    """Whether `fused` can work `module` into `layer`, behind what is `between` them."""
    if any(isinstance(one, Activation) for one in between):
        return False
    if type(module) is nn.BatchNorm2d:
        frozen = not module.training and module.running_mean is not None
        return frozen and not between and isinstance(layer, nn.Conv2d)
    return type(module) in (nn.ReLU, nn.ReLU6)


def fused(layer: nn.Module, after: Sequence[nn.Module], layout: torch.memory_format) -> nn.Module:
    """`layer`, then `after`, all of which `follows` it. Its weight must not be changed afterwards.

    layout: of images that come in and go out. The sums are rounded in another order than torch rounds them.
    """
    norms = [one for one in after if isinstance(one, nn.BatchNorm2d)]
    activation = next((one for one in after if isinstance(one, Activation)), None)
    for norm in norms:
        layer = folded(cast(nn.Conv2d, layer), norm)
    if torch.backends.mkldnn.is_available():
        if isinstance(layer, nn.Linear) and layer.weight.numel() >= _LARGE:
            return LaidOutLinear(layer, activation)
        plain = isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        if plain and layout is torch.channels_last:
            return LaidOutConvolution(cast(nn.Conv2d, layer), activation)
    return layer if activation is None else nn.Sequential(layer, activation)


class LaidOutLinear(nn.Module):
    """float32 [batch, in] to [batch, out]."""

    def __init__(self, layer: nn.Linear, activation: Activation | None = None) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
        self._rest = layer.bias, *_call(activation), ""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, *self._rest)


class LaidOutConvolution(nn.Module):
    """float32 [batch, in, height, width] to [batch, out, height', width'], channels last."""

    def __init__(self, layer: nn.Conv2d, activation: Activation | None = None) -> None:
        super().__init__()
        weight = layer.weight.detach()
        way = layer.padding, layer.stride, layer.dilation, layer.groups
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *way)
        self._rest = layer.bias, *way, *_call(activation), ""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._convolution_pointwise(x, self._weight, *self._rest)


def _call(activation: Activation | None) -> tuple[str, list[float]]:
    """The activation as oneDNN's operations name it."""
    if activation is None:
        return "none", []
    return ("hardtanh", [0.0, 6.0]) if isinstance(activation, nn.ReLU6) else ("relu", [])


def folded(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """The convolution that gives what `norm` makes of the outputs of `layer`."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.affine:
        scale = scale * norm.weight.detach()
    shift = -norm.running_mean * scale
    if layer.bias is not None:
        shift = shift + layer.bias.detach() * scale
    if norm.affine:
        shift = shift + norm.bias.detach()
    found = copy.copy(cast(Any, layer))
    found._parameters = {
        "weight": nn.Parameter(layer.weight.detach() * scale.float()[:, None, None, None], requires_grad=False),
        "bias": nn.Parameter(shift.float(), requires_grad=False),
    }
    return cast(nn.Conv2d, found)
