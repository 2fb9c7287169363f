"""The compressed network on its compressed bytes: layers multiply through the kernels of their encodings.

For inference on the processor, in float32. A layer stored as plain float32 values stays torch's own, and so does one
whose kernel is slower here than dense torch (`network/verdicts.py`): it then holds its decoded weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workbench.errors import ModelError
from workbench.network import verdicts
from workbench.network.declined import Declined, Rounding, declined, shapes
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.simulated import Rows, of_rows, replace, rounding, simulated
from workbench.network.slimming import Slimmed, narrowable, slimmed
from workbench.network.smaller import Narrowable
from workbench.weights.choice import named
from workbench.weights.encoding import Convolution, Encoding, Kernel
from workbench.weights.form import Form
from workbench.weights.levels import Levels
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


@dataclass(frozen=True)
class Packed(Slimmed):
    """dense: of each layer of which a tensor runs dense, or all do, whose kernels these would be."""

    dense: Mapping[str, tuple[Declined, ...]] = field(default_factory=dict)

    def said_of(self, layer: str) -> str:
        return " ".join(filter(None, (super().said_of(layer), *self._runs_dense(layer))))

    def _runs_dense(self, layer: str) -> list[str]:
        if layer not in self.dense:
            return []
        target = self.module.get_submodule(layer)
        parts = len(target) if isinstance(target, nn.Sequential) else 1
        return [
            f"{f'Factor {one.factor} of {parts} runs' if parts > 1 else 'Runs'} dense: "
            f"its kernel for {one.what} takes {one.verdict.times:.2g} times as long here."
            for one in self.dense[layer]
        ]


def packed(
    model: Model,
    forms: Mapping[str, Form],
    encodings: Mapping[str, Encoding],
    threads: int | None = None,
    judge: verdicts.Judge | None = None,
) -> Packed:
    """The model's network without dead channels, whose layers multiply with what `encodings` store.

    See `CompressedModel.packed`.
    """
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1:
        raise ModelError(f"The packed network runs on 1 thread or more, not {threads}.")
    judge = judge or verdicts.measured
    whole = simulated(model, {name: form.with_entering(None) for name, form in forms.items()})
    slim, smaller = _slim(model, forms, encodings, whole)
    module = slim.module
    called = {path for path, _ in module.named_modules(remove_duplicate=False)}
    dense = {}
    try:
        for layer in model.layers:
            encoding = smaller.get(layer.name, encodings[layer.name])
            exchange = _Exchange(module, layer, encoding, forms[layer.name].entering, threads, judge)
            targets = {module.get_submodule(name): name for name in called.intersection(layer.paths)}
            for target, name in targets.items():  # one under two names is exchanged under both
                exchange.at(target, name, model.module.get_submodule(name), smaller=layer.name in smaller)
            if exchange.declined:
                dense[layer.name] = exchange.declined
    finally:
        verdicts.here().save()
    own = {
        layer.name: f"runs as the module that came, on the decoded weights: it {layer.special}"
        for layer in model.layers
        if layer.special
    }
    return Packed(module, slim.crossings, {**slim.notes, **own}, dense)


class _Exchange:
    """Puts packed layers in the places of a layer, whose weight is packed once for all of them.

    declined: kernels that dense torch stands in for.
    """

    def __init__(
        self,
        module: nn.Module,
        layer: Layer,
        encoding: Encoding,
        entering: Levels | None,
        threads: int,
        judge: verdicts.Judge,
    ) -> None:
        self._module, self._layer, self._encoding, self._entering = module, layer, encoding, entering
        self._threads, self._judge = threads, judge
        self._rounding_kernels: dict[Convolution | None, Kernel | None] = {}
        self._kernels: dict[tuple[Convolution | None, ...], tuple[Kernel | None, ...]] = {}
        self.declined: tuple[Declined, ...] = ()

    def at(self, target: Any, name: str, original: nn.Module, smaller: bool) -> None:
        """Exchange `target`, which stands under `name` where `original` stood in the model; smaller: than that one."""
        if not self._layer.special:
            rows = _as_rows(self._module, target) if isinstance(target, nn.Conv1d) else target
            tensors = list(rows) if isinstance(rows, nn.Sequential) else [rows]
            before = None if self._entering is None else Rounding(self._entering, original)
            if before is not None and _rounds_first(tensors) and self._rounds(tensors[0], before):
                return
            exchanged = self._multiply(tensors, smaller)
            if rows is not target and not exchanged:
                replace(self._module, rows, target)
        if self._entering is not None:
            rounding(self._module.get_submodule(name), original, self._entering)

    def _rounds(self, tensor: Any, before: Rounding) -> bool:
        """Whether a kernel rounds what enters and multiplies it, all in one."""
        use = _use(tensor)
        if use not in self._rounding_kernels:
            self._rounding_kernels[use] = self._encoding.rounding_kernel(before.levels, use)
        kernel = self._rounding_kernels[use]
        if kernel is None:
            return False
        packed = _packed_layer(tensor, kernel, self._threads)
        shape = self._layer.calls[0].input_shape
        slower = declined(self._judge, packed, tensor, self._encoding.tensors[0], shape, rounds=before)
        if slower is None:
            replace(self._module, tensor, packed)
        else:
            self.declined = (slower,)
        return slower is None

    def _multiply(self, tensors: list[Any], smaller: bool) -> bool:
        """Whether kernels multiply with any of `tensors`."""
        uses = tuple(_use(tensor) for tensor in tensors)
        if uses not in self._kernels:
            self._kernels[uses] = self._encoding.kernels(uses)
            if smaller and self._kernels[uses] == (None,) and _called_at_a_price(tensors[0], self._layer):
                self._encoding = named(Bitmap.name, self._encoding.decode())
                self._kernels[uses] = self._encoding.kernels(uses)
        found: list[Declined] = []
        exchanged = False
        entering = shapes(tensors, self._layer.calls[0].input_shape)
        for place, (tensor, kernel) in enumerate(zip(tensors, self._kernels[uses], strict=True)):
            if kernel is None:
                continue
            packed, encoding = _packed_layer(tensor, kernel, self._threads), self._encoding.tensors[place]
            slower = declined(self._judge, packed, tensor, encoding, entering[place], place + 1)
            if slower is None:
                replace(self._module, tensor, packed)
                exchanged = True
            else:
                found.append(slower)
        if found or exchanged:
            self.declined = tuple(found)
        return exchanged


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


def _packed_layer(original: Any, kernel: Kernel, threads: int) -> PackedLinear | PackedConv2d:
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
