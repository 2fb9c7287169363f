"""One layer made smaller: which outputs and inputs it keeps, and the layer that is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.weights.arrays import Floats
from workbench.weights.crossing import Crossing

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Narrowable:
    """What a layer may leave out as it runs.

    rounds: whether it rounds its input. zero_stays: whether a zero that enters it is still one when it multiplies.
    skips_zeros: whether its kernel does no products with zeros, so that dead channels take it no time.
    """

    rows: bool = True
    columns: bool = True
    zero_stays: bool = True
    rounds: bool = False
    skips_zeros: bool = False


def met_weights(tensors: list[Any]) -> Flags:
    """[groups, rows of each, columns]: where the layer has a weight that is not zero."""
    if len(tensors) > 1:
        rows, columns = tensors[-1].weight.flatten(1).any(1), tensors[0].weight.transpose(0, 1).flatten(1).any(1)
        return np.logical_and.outer(rows.numpy(), columns.numpy())[None]
    weight = tensors[0].weight
    met = weight.reshape(*weight.shape[:2], -1).any(2).numpy()
    return met.reshape(getattr(tensors[0], "groups", 1), -1, weight.shape[1])


def kept_channels(
    met: Flags, source: Flags, there: Flags, may: Narrowable, pays: Callable[[int, int], bool]
) -> tuple[Flags, Flags]:
    """Rows [groups, rows] and inputs [groups, columns] that a layer keeps, as many in each group that stays.

    met: as `met_weights` tells. source: inputs that may be met at all. there: those that are there now. pays: whether
    it does to pick inputs for so many weights fewer, and how many inputs these are.
    """
    met = met & source[:, None]
    rows: Flags = np.any(met, 2) if may.rows else np.ones(met.shape[:2], bool)
    wanted: Flags = np.any(met, 1) if may.columns else np.ones(source.shape, bool)
    stays: Flags = np.any(rows, 1)
    stays[0] |= not stays.any()
    inputs = _even(wanted & stays[:, None], there, stays)
    groups: Flags = np.any(there, 1)
    as_there = may.columns and not (wanted & stays[:, None] & ~there).any() and not (stays & ~groups).any()
    if as_there and len(set(there[groups].sum(1).tolist())) == 1:
        more = _weights(_even(rows, rows, groups), there) - _weights(_even(rows, rows, stays), inputs)
        if not pays(more, int(inputs.sum())):
            inputs = there
    staying: Flags = np.any(inputs, 1)
    return _even(rows, rows, staying), inputs


def _even(wanted: Flags, rather: Flags, groups: Flags) -> Flags:
    """[groups, channels]: what is wanted, and in each of `groups` as many as in the fullest of them, one at least."""
    count = max(int(wanted[groups].sum(1).max(initial=1)), 1)
    order = np.argsort(~wanted * 2 + ~rather, axis=1, kind="stable")[:, :count]
    found = np.zeros(wanted.shape, bool)
    np.put_along_axis(found, order, True, axis=1)
    return found & groups[:, None]


def _weights(rows: Flags, inputs: Flags) -> int:
    return int((rows.sum(1) * inputs.sum(1)).sum())


def keeps_constants(layer: nn.Module) -> bool:
    """Whether what is the same everywhere adds the same everywhere: no zeros are put around it."""
    return (
        not isinstance(layer, nn.Conv2d)
        or layer.padding_mode != "zeros"
        or not any(layer._reversed_padding_repeated_twice)
    )


def constant_sums(layer: Any, inputs: Floats) -> Floats:
    """What inputs that are the same everywhere add to each output."""
    weight = layer.weight.numpy().reshape(*layer.weight.shape[:2], -1).sum(2)
    groups = getattr(layer, "groups", 1)
    by_group = weight.reshape(groups, -1, weight.shape[1]) @ inputs.reshape(groups, -1, 1)
    return by_group.reshape(-1)


def biases(layer: Any) -> Floats:
    """Those of a layer; zeros where it has none."""
    return np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias.detach().numpy().copy()


def smaller_layer(tensors: list[Any], crossing: Crossing, bias: Floats) -> nn.Module:
    """The layer that is left. bias: of all its outputs."""
    needed = tensors[-1].bias is not None or bias[crossing.rows].any()
    left = torch.from_numpy(bias[crossing.rows].copy()) if needed else None
    if len(tensors) == 1:
        return _like(tensors[0], torch.from_numpy(crossing.of(tensors[0].weight.numpy())), left, len(crossing.columns))
    first, *middle, last = tensors
    columns, rows = torch.from_numpy(crossing.columns[0]), torch.from_numpy(crossing.rows)
    ends = (
        _like(first, first.weight[:, columns].clone(), first.bias, 1),
        _like(last, last.weight[rows].clone(), left, 1),
    )
    return nn.Sequential(ends[0], *middle, ends[1]).eval()


def _like(layer: Any, weight: torch.Tensor, bias: torch.Tensor | None, groups: int) -> nn.Module:
    """A layer that passes as `layer` does."""
    made: nn.Linear | nn.Conv2d
    if isinstance(layer, nn.Linear):
        made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, "meta")
    else:
        made = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            layer.kernel_size,
            layer.stride,
            layer.padding,
            layer.dilation,
            groups,
            bias is not None,
            layer.padding_mode,
            "meta",
        )
    made.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made.eval()


def hooked(module: nn.Module) -> bool:
    """Whether something else happens when it is called."""
    return bool(module._forward_hooks or module._forward_pre_hooks)
