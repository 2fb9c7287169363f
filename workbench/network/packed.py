"""The compressed network on its compressed bytes: layers multiply through the kernels of their encodings.

For inference on the processor, in float32. A layer stored as plain float32 values stays torch's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workbench.errors import ModelError
from workbench.network.model import Model
from workbench.network.simulated import replace, rounding, simulated
from workbench.weights.encoding import Convolution, Encoding, Kernel
from workbench.weights.form import Form

# Multiply-accumulates below which a second thread costs more than it brings (about 10 microseconds a call).
_WORTH_A_THREAD = 2**21


class PackedLinear(nn.Module):
    """Inputs float32 [..., in] to [..., out], without gradient. Holds the packed weight and the bias only."""

    def __init__(self, kernel: Kernel, original: nn.Linear, threads: int) -> None:
        super().__init__()
        self.kernel, self.threads = kernel, threads
        self.in_features, self.out_features = original.in_features, original.out_features
        self.bias = _bias(original)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x if x.ndim == 2 else x.reshape(-1, self.in_features)
        threads = self.threads if x.numel() * self.out_features >= _WORTH_A_THREAD else 1
        y = torch.from_numpy(self.kernel.multiply(_array(rows), self.bias, threads))
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out_features)


class PackedConv2d(nn.Module):
    """Images float32 [n, in, h, w] (or one [in, h, w]) to [n, out, h', w'], without gradient.

    Holds the packed weight and the bias only. Padding that is not zeros, or not the same on both sides, is done first.
    """

    def __init__(self, kernel: Kernel, original: nn.Conv2d, threads: int) -> None:
        super().__init__()
        self.kernel, self.threads = kernel, threads
        self.bias = _bias(original)
        self._pad, self._mode = _outer_padding(original)
        self._pads = any(self._pad)
        self._weights = original.weight[0].numel() / original.in_channels  # that a number meets, for each output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        images = x if x.ndim == 4 else x[None]
        if self._pads:
            images = functional.pad(images, self._pad, mode=self._mode)
        macs = images.numel() * self._weights * 16  # at stride 1, and of 16 outputs
        threads = self.threads if macs >= _WORTH_A_THREAD else 1
        y = torch.from_numpy(self.kernel.multiply(_array(images), self.bias, threads))
        return y if x.ndim == 4 else y[0]


def packed(
    model: Model, forms: Mapping[str, Form], encodings: Mapping[str, Encoding], threads: int | None = None
) -> nn.Module:
    """A copy of the model's module whose layers multiply with what `encodings` store. See `CompressedModel.packed`."""
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1:
        raise ModelError(f"The packed network runs on 1 thread or more, not {threads}.")
    module = simulated(model, {name: form.with_entering(None) for name, form in forms.items()})
    for layer in model.layers:
        entering, encoding = forms[layer.name].entering, encodings[layer.name]
        rounding_kernels: dict[Convolution | None, Kernel | None] = {}  # once where weights are shared
        kernels: dict[tuple[Convolution | None, ...], tuple[Kernel | None, ...]] = {}
        for name in (layer.name, *layer.aliases):
            target = module.get_submodule(name)
            tensors = list(target) if isinstance(target, nn.Sequential) else [target]
            uses = tuple(_use(tensor) for tensor in tensors)
            if entering is not None and _rounds_first(tensors):
                (use,) = uses
                if use not in rounding_kernels:
                    rounding_kernels[use] = encoding.rounding_kernel(entering, use)
                rounds = rounding_kernels[use]
                if rounds is not None:
                    replace(module, target, _packed_layer(target, rounds, threads))
                    continue
            if uses not in kernels:
                kernels[uses] = encoding.kernels(uses)
            for tensor, kernel in zip(tensors, kernels[uses], strict=True):
                if kernel is not None:
                    replace(module, tensor, _packed_layer(tensor, kernel, threads))
            if entering is not None:
                rounding(module.get_submodule(name), model.module.get_submodule(name), entering)
    return module


def nbytes(module: nn.Module) -> int:
    """Bytes that `module` holds: packed weights (once where layers share them), biases, and whatever torch holds."""
    layers = [one for one in module.modules() if isinstance(one, PackedLinear | PackedConv2d)]
    kernels = {id(one.kernel): one.kernel.nbytes for one in layers}
    tensors = {one.data_ptr(): one.nbytes for one in (*module.parameters(), *module.buffers())}
    biases = sum(one.bias.nbytes for one in layers if one.bias is not None)
    return sum(kernels.values()) + sum(tensors.values()) + biases


def _rounds_first(tensors: list[Any]) -> bool:
    """Whether a kernel may round what enters a layer: it is one tensor, and no zeros are put around images before."""
    if len(tensors) > 1 or isinstance(tensors[0], nn.Linear):
        return len(tensors) == 1
    pad, mode = _outer_padding(tensors[0])
    return not any(pad) or mode != "constant"


def _packed_layer(original: Any, kernel: Kernel, threads: int) -> nn.Module:
    layer = PackedLinear if isinstance(original, nn.Linear) else PackedConv2d
    return layer(kernel, original, threads).train(original.training)


def _use(module: Any) -> Convolution | None:
    if isinstance(module, nn.Linear):
        return None
    (left, right, top, bottom), _ = _outer_padding(module)
    whole = (0, 0) if any((left, right, top, bottom)) else _symmetric_padding(module)
    return Convolution(tuple(module.stride), whole, tuple(module.dilation), module.groups)


def _outer_padding(module: nn.Conv2d) -> tuple[tuple[int, ...], str]:
    """What torch must pad before the kernel: (left, right, top, bottom), and how; zeros where the kernel does it."""
    left, right, top, bottom = module._reversed_padding_repeated_twice
    if module.padding_mode != "zeros":
        return (left, right, top, bottom), module.padding_mode
    if (left, top) != (right, bottom):  # "same" with an even kernel
        return (left, right, top, bottom), "constant"
    return (0, 0, 0, 0), "constant"


def _symmetric_padding(module: nn.Conv2d) -> tuple[int, int]:
    left, _, top, _ = module._reversed_padding_repeated_twice
    return top, left


def _bias(original: nn.Linear | nn.Conv2d) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    return None if original.bias is None else original.bias.detach().numpy().copy()


def _array(x: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The tensor's own memory where it is contiguous. Raises ModelError for what the kernels cannot take."""
    if x.dtype != torch.float32 or not x.is_cpu:
        raise ModelError(f"The packed network takes float32 on the processor, not {x.dtype} on {x.device}.")
    return (x.detach() if x.requires_grad else x).contiguous().numpy()
