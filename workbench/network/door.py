"""What a user's module must be like, looked at once, where it comes in.

What comes through can be copied, traced, run, saved and read again. Weights that are computed from other tensors before
each pass (masks of torch.nn.utils.prune, weight and spectral norm, parametrisations) become plain ones, as they are in
evaluation mode.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast, get_args

import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from workbench.errors import ModelError, reason

Compressible = nn.Linear | nn.Conv1d | nn.Conv2d
COMPRESSIBLE = get_args(Compressible)
LARGEST_WEIGHT = 1e15  # sums of a hundred million squares of such weights are still numbers in float32
_DTYPES = (torch.float32, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


class Alone(nn.Sequential):
    """One layer, which may take more inputs than one."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self[0](*args, **kwargs)


class Accepted(NamedTuple):
    """module: a copy in evaluation mode, float32, without gradients. remarks: sentences on what differs in it.

    halves: parameter -> "float16" or "bfloat16", of those that came so.
    """

    module: nn.Module
    remarks: tuple[str, ...]
    halves: Mapping[str, str]


def accepted(module: nn.Module) -> Accepted:
    """The network as the workbench takes it. The module itself stays as it is.

    Raises ModelError, naming the layer or tensor, for what cannot be compressed, or not be saved.
    """
    if not isinstance(module, nn.Module):
        raise ModelError(f"The network must be a torch module, not {type(module).__name__}.")
    if isinstance(module, COMPRESSIBLE):
        module = Alone(module)  # so that its weight has a path
    for path, part in module.named_modules():
        _check_module(path, part)
    module = _copied(module)
    blank = [path for path, tensor in module.named_parameters() if tensor.is_meta]
    if blank and len(blank) < len(list(module.parameters())):
        raise ModelError(f"Tensor {blank[0]!r} has no values (device meta), and others have; give all of them or none.")
    made = _made_permanent(module)
    remarks = (
        [f"{', '.join(made)}: computed before each pass by the module that came, and kept as values here."]
        if made
        else []
    )
    _check_range(module)
    halves = {
        name: str(parameter.dtype).removeprefix("torch.")
        for name, parameter in module.named_parameters(remove_duplicate=False)
        if parameter.dtype in (torch.float16, torch.bfloat16) and not blank
    }
    if halves:
        remarks.append(
            f"It came in {' and '.join(sorted(set(halves.values())))}: it is run in float32, its layers' weights are "
            "counted and stored at the 16 bits that they have, and what stands beside them at 32."
        )
    module = module.requires_grad_(False).float()
    for path, tensor in _tensors(module).items():
        _check_tensor(path, tensor)
    for path, part in module.named_modules():
        if isinstance(part, COMPRESSIBLE):
            check_weight(path, part.weight, part.bias)
    for part in module.modules():
        if isinstance(part, nn.TransformerEncoderLayer):  # its fast path reads weights outside of their layers
            part.activation_relu_or_gelu = 0
    return Accepted(module, tuple(remarks), halves)


def accepted_example(example: Any) -> torch.Tensor:
    """The first of a batch of inputs, [1, ...], float32 or whole numbers. Raises ModelError for what is no batch."""
    if not isinstance(example, torch.Tensor):
        kinds = "a tensor [batch, ...], or a tuple or dict of several"
        raise ModelError(f"The example input must be {kinds}, not {type(example).__name__}.")
    if example.layout is not torch.strided or example.is_complex() or example.is_quantized:
        raise ModelError("The example input must be a dense tensor of real numbers.")
    if not example.is_floating_point() and example.dtype not in _DTYPES:
        raise ModelError(f"The example input is of type {example.dtype}, which no file of ours can hold.")
    if example.ndim == 0 or example.numel() == 0:
        raise ModelError(f"The example input has shape {tuple(example.shape)}, in which there is no input.")
    example = example.detach()[:1].clone(memory_format=torch.contiguous_format)  # the user's own may change
    example = example.float() if example.is_floating_point() else example
    if not example.is_meta and not example.isfinite().all():
        raise ModelError("The example input has values that are NaN or infinite.")
    return example if example.is_meta else example.cpu()


def compressible(module: nn.Module) -> dict[str, Compressible]:
    """Path -> layer, a module under several names under each of them."""
    modules = module.named_modules(remove_duplicate=False)
    return {path: part for path, part in modules if isinstance(part, COMPRESSIBLE)}


def _check_module(path: str, part: nn.Module) -> None:
    if isinstance(part, torch.jit.ScriptModule):
        raise ModelError(f"Module {path!r} is compiled (TorchScript); hand over the module that it was made from.")
    for name in (path, *part._parameters, *part._buffers):
        if not name.isprintable():
            raise ModelError(f"Module or tensor {name!r} has a name that cannot be printed.")
    for name, tensor in (*part._parameters.items(), *part._buffers.items()):
        if tensor is not None and nn.parameter.is_lazy(tensor):
            where = f"Layer {path!r} has no weights" if name == "weight" else f"Tensor '{path}.{name}' has no numbers"
            raise ModelError(f"{where} yet; run the network once before handing it over.")


def _copied(module: nn.Module) -> nn.Module:
    """torch refuses to copy what a pass has computed; such tensors are copied as they are."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(module, memo).eval()
    except Exception as error:  # a user's module may hold anything
        raise ModelError(f"The network cannot be copied ({reason(error)}).") from error


def _made_permanent(module: nn.Module) -> list[str]:
    """The names of the tensors that were computed anew before every pass, and are plain ones now."""
    made = []
    for path, part in list(module.named_modules()):
        for hook in list(part._forward_pre_hooks.values()):
            kind, name = type(hook), str(getattr(hook, "_tensor_name", getattr(hook, "name", "")))
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(part, name)
            elif kind is WeightNorm:
                nn.utils.remove_weight_norm(part, name)
            elif kind is SpectralNorm:
                nn.utils.remove_spectral_norm(part, name)
            else:
                continue
            made.append(f"{path}.{name}")
        if parametrize.is_parametrized(part):
            made += [f"{path}.{name}" for name in _without_parametrisations(part)]
    return made


def _without_parametrisations(part: nn.Module) -> list[str]:
    """torch's own way to remove them changes the class that the copy shares with the user's module."""
    values = {name: getattr(part, name).detach().clone() for name in cast(nn.ModuleDict, part.parametrizations)}
    del part.parametrizations
    part.__class__ = type(part).__bases__[0]
    for name, value in values.items():
        part.register_parameter(name, nn.Parameter(value))
    return list(values)


def _tensors(module: nn.Module) -> Mapping[str, Any]:
    """All that a pass may read: what is saved, and buffers that are not."""
    return {**dict(module.named_buffers(remove_duplicate=False)), **module.state_dict()}


def _check_range(module: nn.Module) -> None:
    largest = torch.finfo(torch.float32).max
    for path, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.dtype is torch.float64 and not tensor.is_meta and tensor.layout is torch.strided:
            beyond = tensor.isfinite() & (tensor.abs() > largest)
            if beyond.any():
                raise ModelError(f"Tensor {path!r} has values beyond {largest:.2g}, which float32 cannot hold.")


def _check_tensor(path: str, tensor: Any) -> None:
    if not isinstance(tensor, torch.Tensor):
        raise ModelError(f"State {path!r} is no tensor but {type(tensor).__name__}, which no file of ours can hold.")
    kind = str(tensor.dtype if tensor.layout is torch.strided else tensor.layout).removeprefix("torch.")
    if tensor.layout is not torch.strided or tensor.dtype not in _DTYPES:
        raise ModelError(f"Tensor {path!r} is of kind {kind}; only dense tensors of real numbers can be saved.")


def check_weight(path: str, weight: Any, bias: torch.Tensor | None = None) -> None:
    """Raises ModelError, naming the layer, for a weight that is not there, or has no numbers that can be compressed."""
    if not isinstance(weight, torch.Tensor):
        raise ModelError(f"Layer {path!r} has no weight.")
    if weight.numel() == 0:
        raise ModelError(f"Layer {path!r} is empty: its weight has shape {tuple(weight.shape)}.")
    largest = 0.0
    for kind, tensor in (("biases", bias), ("weights", weight)):
        if tensor is None or tensor.is_meta:
            continue
        ends = [float(end) for end in tensor.aminmax()]
        largest = max(map(abs, ends))
        if not all(map(math.isfinite, ends)):  # NaN is at both of them
            bad = int((~torch.isfinite(tensor)).sum())
            raise ModelError(f"Layer {path!r} has {bad} {kind} that are NaN or infinite; it cannot be compressed.")
    if largest > LARGEST_WEIGHT:
        raise ModelError(
            f"Layer {path!r} has weights as large as {largest:.2g}; beyond {LARGEST_WEIGHT:g} sums of them overflow."
        )
