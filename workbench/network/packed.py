"""The compressed network on its compressed bytes: layers multiply through the kernels of their encodings.

For inference on the processor, in float32. A layer stored as plain float32 values stays torch's own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workbench.errors import ModelError
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.simulated import Rows, of_rows, replace, rounding, simulated
from workbench.network.slimming import Slimmed, narrowable, slimmed
from workbench.network.smaller import Narrowable
from workbench.weights.choice import named
from workbench.weights.encoding import Convolution, Encoding, Kernel
from workbench.weights.form import Form
from workbench.weights.places import PLACES
from workbench.weights.places.bitmap import Bitmap
from workbench.weights.places.channels import Channels

# Multiply-accumulates below which a second thread costs more than it brings (about 10 microseconds a call).
_WORTH_A_THREAD = 2**21

# Torch's float32 convolution of one image takes 100 microseconds and more, however little it does, where it is
# depthwise, or 200 where its filters are large; so many products take as long from a stream.
_DEPTHWISE, _LARGE, _LARGE_FILTER = 2**18, 2**20, 25


class _Packed(nn.Module):
    """Holds the packed weight of a layer and its bias only."""

    def __init__(self, kernel: Kernel, original: nn.Linear | nn.Conv2d, threads: int) -> None:
        super().__init__()
        self.kernel, self.threads = kernel, threads
        self.bias, self._shape = _bias(original), original.weight.shape

    @property
    def weight(self) -> torch.Tensor:
        """For a network that asks for its shape, its type or where it is: no number of it is the weight's."""
        return torch.zeros(()).expand(self._shape)


class PackedLinear(_Packed):
    """Inputs float32 [..., in] to [..., out], without gradient."""

    def __init__(self, kernel: Kernel, original: nn.Linear, threads: int) -> None:
        super().__init__(kernel, original, threads)
        self.in_features, self.out_features = original.in_features, original.out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x if x.ndim == 2 else x.reshape(-1, self.in_features)
        threads = self.threads if x.numel() * self.out_features >= _WORTH_A_THREAD else 1
        y = torch.from_numpy(self.kernel.multiply(_array(rows), self.bias, threads))
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out_features)


class PackedConv2d(_Packed):
    """Images float32 [n, in, h, w] (or one [in, h, w]) to [n, out, h', w'], without gradient.

    Padding that is not zeros, or not the same on both sides, is done first.
    """

    def __init__(self, kernel: Kernel, original: nn.Conv2d, threads: int) -> None:
        super().__init__(kernel, original, threads)
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
) -> Slimmed:
    """The model's network without dead channels, whose layers multiply with what `encodings` store.

    See `CompressedModel.packed`.
    """
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1:
        raise ModelError(f"The packed network runs on 1 thread or more, not {threads}.")
    whole = simulated(model, {name: form.with_entering(None) for name, form in forms.items()})
    slim, smaller = _slim(model, forms, encodings, whole)
    module = slim.module
    called = {path for path, _ in module.named_modules(remove_duplicate=False)}
    for layer in model.layers:
        entering, encoding = forms[layer.name].entering, smaller.get(layer.name, encodings[layer.name])
        rounding_kernels: dict[Convolution | None, Kernel | None] = {}  # once where weights are shared
        kernels: dict[tuple[Convolution | None, ...], tuple[Kernel | None, ...]] = {}
        targets = {module.get_submodule(name): name for name in called.intersection(layer.paths)}
        for target, name in targets.items():  # one under two names is exchanged under both
            if layer.special:
                if entering is not None:
                    rounding(target, model.module.get_submodule(name), entering)
                continue
            if isinstance(target, nn.Conv1d):
                target = _as_rows(module, target)
            tensors = list(target) if isinstance(target, nn.Sequential) else [target]
            uses = tuple(_use(tensor) for tensor in tensors)
            if entering is not None and _rounds_first(tensors):
                (use,) = uses
                if use not in rounding_kernels:
                    rounding_kernels[use] = encoding.rounding_kernel(entering, use)
                rounds = rounding_kernels[use]
                if rounds is not None:
                    replace(module, tensors[0], _packed_layer(tensors[0], rounds, threads))
                    continue
            if uses not in kernels:
                kernels[uses] = encoding.kernels(uses)
                if layer.name in smaller and kernels[uses] == (None,) and _called_at_a_price(tensors[0], layer):
                    kernels[uses] = named(Bitmap.name, encoding.decode()).kernels(uses)
            for tensor, kernel in zip(tensors, kernels[uses], strict=True):
                if kernel is not None:
                    replace(module, tensor, _packed_layer(tensor, kernel, threads))
            if entering is not None:
                rounding(module.get_submodule(name), model.module.get_submodule(name), entering)
    own = {
        layer.name: f"runs as the module that came, on the decoded weights: it {layer.special}"
        for layer in model.layers
        if layer.special
    }
    return dataclasses.replace(slim, notes={**slim.notes, **own})


def _slim(
    model: Model, forms: Mapping[str, Form], encodings: Mapping[str, Encoding], whole: nn.Module
) -> tuple[Slimmed, dict[str, Encoding]]:
    """The network without dead channels, and what is left of the encodings of its smaller layers."""
    may = {name: narrowable(form, _skips_zeros(encodings[name])) for name, form in forms.items()}
    while True:
        slim = slimmed(model, forms, whole, may)
        smaller = {name: crossing.encoding(encodings[name]) for name, crossing in slim.crossings.items()}
        found = {name: encoding for name, encoding in smaller.items() if encoding is not None}
        if len(found) == len(smaller):
            return slim, found
        may |= {name: Narrowable(rows=False, columns=False) for name in smaller if name not in found}


def _skips_zeros(encoding: Encoding) -> bool:
    return encoding.name.partition("+")[0] in PLACES and not encoding.name.startswith(Channels.name)


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


def _as_rows(module: nn.Module, layer: nn.Conv1d) -> Rows:
    """What does the same on images of one row, which the kernels know, and stands in its place now."""
    rows = Rows(of_rows(layer)).eval()
    replace(module, layer, rows)
    return rows


def _called_at_a_price(tensor: nn.Module, layer: Layer) -> bool:
    """Whether a call of torch's takes longer than all products of the layer do from a stream, for one image."""
    if not isinstance(tensor, nn.Conv2d) or math.prod(layer.calls[0].output_shape) == 0:
        return False
    products = tensor.weight.numel() * (math.prod(layer.calls[0].output_shape) // layer.shape[0])
    if 1 < tensor.groups == tensor.in_channels:
        return products < _DEPTHWISE
    return math.prod(tensor.kernel_size) >= _LARGE_FILTER and products < _LARGE


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
