"""The compressed network as a plain torch module: decoded weights, ordinary torch layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.weights.form import Factor, Form, Passage
from workbench.weights.levels import Levels


def simulated(model: Model, forms: Mapping[str, Form]) -> nn.Module:
    """A copy of the model's module that holds the forms' values; a layer of several factors becomes a Sequential."""
    module = copy.deepcopy(model.module)
    for layer in model.layers:
        form = forms[layer.name]
        if form.factored:
            target = module.get_submodule(layer.name)
            replace(module, target, chain(layer, form, target))
        else:
            layer.fill(module, form.parts[0].values)
    round_inputs(module, model, forms)
    return module


def round_inputs(module: nn.Module, model: Model, forms: Mapping[str, Form]) -> None:
    """Have every layer of `module`, and whatever shares its weight, round its input to the levels of its form.

    A module without those that are never called will do.
    """
    called = {path for path, _ in module.named_modules(remove_duplicate=False)}
    for layer in model.layers:
        levels = forms[layer.name].entering
        if levels is not None:
            paths = [path for path in layer.paths if path in called]
            places = {module.get_submodule(path): path for path in paths}
            for place, path in places.items():
                rounding(place, model.module.get_submodule(path), levels)


def rounding(place: nn.Module, original: nn.Module, levels: Levels) -> list[RemovableHandle]:
    """Have `place`, which does what the layer `original` does or its successors, round its input to `levels`."""
    rounded_input = RoundedInput(levels, original)
    hooks = [place.register_forward_pre_hook(rounded_input)]
    if levels.by_window:
        hooks.append(place.register_forward_hook(rounded_input.weigh))
    return hooks


class RoundedInput:
    """What a layer does to its input before anything else, and to its sums where they depend on the input's magnitude.

    A gradient goes through as if nothing were rounded (straight-through; Bengio, Leonard, Courville, arXiv 1308.3432,
    section 4), where the levels let it, so that a network whose inputs are rounded can be trained.
    """

    def __init__(self, levels: Levels, original: nn.Module) -> None:
        self._levels, self._original = levels, original

    def __call__(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        x, *others = inputs
        found: Any = _StraightThrough.apply(x, self._levels) if x.requires_grad else rounded(x, self._levels)
        if self._levels.by_window:
            found.magnitudes = magnitudes(x, self._original)  # goes where the tensor goes, to `weigh`
        return (found, *others)

    def weigh(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        """The outputs with all but the bias multiplied by the magnitudes of what they saw."""
        found = cast(Any, inputs[0]).magnitudes
        bias = _bias(module)
        if bias is None:
            return output * found
        if isinstance(self._original, nn.Conv1d | nn.Conv2d):
            bias = bias.reshape(-1, *[1] * len(self._original.kernel_size))
        return (output - bias) * found + bias


def magnitudes(x: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """The mean magnitude of the inputs that each output of `layer` sees, laid out to broadcast against its outputs.

    K of Rastegari et al. (XNOR-Net, ECCV 2016, section 3.2), but for what lies in zero padding, which is left out.
    """
    if isinstance(layer, nn.Conv1d):
        return magnitudes(x.unsqueeze(-2), of_rows(layer)).squeeze(-2)
    if not isinstance(layer, nn.Conv2d):
        return x.abs().mean(-1, keepdim=True)
    images = (x if x.ndim == 4 else x[None]).abs()
    groups, channels = layer.groups, layer.in_channels // layer.groups
    of_pixels = images.reshape(len(images), groups, channels, *images.shape[2:]).mean(2).flatten(0, 1)[:, None]
    pad, zeros = layer._reversed_padding_repeated_twice, layer.padding_mode == "zeros"
    inside = functional.pad(torch.ones_like(of_pixels[:1]), pad, value=0.0 if zeros else 1.0)
    of_pixels = functional.pad(of_pixels, pad, mode="constant" if zeros else layer.padding_mode)
    window = torch.ones(1, 1, *layer.kernel_size)
    sums = functional.conv2d(of_pixels, window, None, layer.stride, 0, layer.dilation)
    counts = functional.conv2d(inside, window, None, layer.stride, 0, layer.dilation)
    means = (sums / counts.clamp(min=1))[:, 0].reshape(len(images), groups, *sums.shape[2:])
    found = means.repeat_interleave(layer.out_channels // groups, 1) if groups > 1 else means
    return found if x.ndim == 4 else found[0]


def _bias(module: nn.Module) -> torch.Tensor | None:
    """That of whatever stands in a layer's place; None where it has none."""
    found = getattr(module[-1] if isinstance(module, nn.Sequential) else module, "bias", None)
    return None if found is None else torch.as_tensor(found)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, levels: Levels) -> torch.Tensor:
        passing = levels.passing(x.detach().numpy())
        ctx.passing = None if passing is None else torch.from_numpy(passing)
        return rounded(x, levels)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        return gradient if ctx.passing is None else gradient * ctx.passing, None


def rounded(x: torch.Tensor, levels: Levels) -> torch.Tensor:
    """Of any shape, each number, as float32, at the nearest of `levels`, which all of them share.

    It is laid out as `x` is, and of its kind: networks are looked at in double precision, too.
    """
    x = x.detach()
    last = x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    plain = x.permute(0, 2, 3, 1) if last else x.contiguous()
    found = torch.from_numpy(levels.entered(plain.float().numpy().reshape(len(x), -1))).reshape(plain.shape).to(x)
    return found.permute(0, 3, 1, 2) if last else found


def chain(layer: Layer, form: Form, original: Any) -> nn.Sequential:
    """The torch layers that the factors stand for, in the place of `original`; the last one has its bias."""
    rows = isinstance(original, nn.Conv1d)
    whole = of_rows(original) if rows else original
    made = [_factor(layer, factor, whole, last=factor is form.factors[-1]) for factor in form.factors]
    return (Rows if rows else Chain)(*made).eval()


class Chain(nn.Sequential):
    """The factors of a layer, in its place."""

    @property
    def weight(self) -> torch.Tensor:
        """For a network that asks for its type or where it is: no number of it is the layer's."""
        return cast(torch.Tensor, self[-1].weight)


class Rows(Chain):
    """2-D convolutions that see signals [n, in, length] as images of one row, and give signals again."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, super().forward(input.unsqueeze(-2)).squeeze(-2))


def of_rows(layer: nn.Conv1d) -> nn.Conv2d:
    """The 2-D convolution that does what `layer` does, on images of one row; it shares the bias."""
    made = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (1, layer.kernel_size[0]),
        (1, layer.stride[0]),
        layer.padding if isinstance(layer.padding, str) else (0, layer.padding[0]),
        (1, layer.dilation[0]),
        layer.groups,
        bias=False,
        padding_mode=layer.padding_mode,
        device="meta",
    )
    made.weight = nn.Parameter(layer.weight.detach().unsqueeze(-2), requires_grad=False)
    made.bias = layer.bias
    return made.eval()


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
