"""What a layer is multiplied with: its input unrolled into rows, as im2col does."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def unrolled(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """[images, groups, columns, positions]: what each output is a sum over, of the weight [out, columns] of its group.

    layer: linear, or a convolution of one or two axes. x: what enters it.
    """
    if not isinstance(layer, nn.Conv1d | nn.Conv2d):
        return x.reshape(len(x), 1, -1, x.shape[-1]).transpose(2, 3)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    if isinstance(layer, nn.Conv1d):
        x = x.unsqueeze(2)
        kernel, stride, dilation = (1, *kernel), (1, *stride), (1, *dilation)
    columns = functional.unfold(x, kernel, dilation, 0, stride)
    return columns.reshape(len(x), layer.groups, -1, columns.shape[-1])


def outputs(layer: nn.Module, y: torch.Tensor) -> torch.Tensor:
    """[images, groups, rows, positions] of what such a layer gives, or of a derivative by it."""
    if not isinstance(layer, nn.Conv1d | nn.Conv2d):
        return y.reshape(len(y), 1, -1, y.shape[-1]).transpose(2, 3)
    return y.reshape(len(y), layer.groups, y.shape[1] // layer.groups, -1)
