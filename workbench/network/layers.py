"""The layers of a network, found by watching one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.network.arrangement import AS_IT_IS, ROW, Arrangement
from workbench.network.door import COMPRESSIBLE, Compressible, check_weight, compressible
from workbench.network.layer import Layer
from workbench.network.multiplications import Multiplication
from workbench.network.trace import Call, Trace
from workbench.weights.arrays import Floats


def layers_of(module: nn.Module, traced: Trace, halves: Mapping[str, str]) -> tuple[Layer, ...]:
    """One Layer for each weight that some call or operator uses, in order of first use.

    halves: parameters that came in half precision, with its name.
    Raises ModelError, naming the layer, for weights that cannot be compressed.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    names: dict[int, list[str]] = {}
    for name, parameter in parameters.items():
        names.setdefault(id(parameter), []).append(name)
    found = compressible(module)
    layers: dict[int, Layer] = {}
    order: dict[str, int] = {}
    for path in traced.calls:
        weight = found[path].weight
        if id(weight) not in layers:
            layer = _called(path, found, names[id(weight)], traced)
            layers[id(weight)], order[layer.name] = layer, traced.order[path]
    for name, multiplications in traced.multiplications.items():
        parameter = parameters[name]
        if id(parameter) not in layers:
            share = max(traced.reads.get(other, 0) for other in names[id(parameter)]) / parameter.nbytes
            layer = _read(module, names[id(parameter)], parameter, multiplications, min(share, 1.0))
            layers[id(parameter)], order[layer.name] = layer, traced.order[name]
    ordered = sorted(layers.values(), key=lambda layer: order[layer.name])
    return tuple(replace(layer, half=halves.get(layer.parameter, "")) for layer in ordered)


def _called(path: str, found: Mapping[str, Compressible], names: list[str], traced: Trace) -> Layer:
    """The layer of modules that do nothing else, of which `path` is called first."""
    holding = [name.rpartition(".")[0] for name in names]
    sharing = [other for other in holding if other != path and other in found and found[other] is not found[path]]
    readers = {reader for name in names for reader in traced.readers.get(name, ())}
    if not readers:  # a forward that was exchanged may be bound to the module that was copied
        raise ModelError(f"Layer {path!r} is called, but what is computed then does not read its weight.")
    special = next(filter(None, (_special(found[other]) for other in (path, *sharing))), "")
    if not special and not readers <= {path, *sharing}:
        special = "has its weight read outside of its own calls"
    by_name = bool(traced.by_name.intersection((path, *sharing)))
    if by_name:
        special = special or "is given its input by name"
    module = found[path]
    arrangement = ROW if isinstance(module, nn.Conv1d) else AS_IT_IS
    return Layer(
        name=path,
        parameter=f"{path}.weight",
        kind=_kind(module).__name__.lower(),
        weight=_values(module.weight, arrangement),
        shape=arrangement.shape(tuple(module.weight.shape)),
        arrangement=arrangement,
        has_bias=module.bias is not None,
        groups=1 if isinstance(module, nn.Linear) else module.groups,
        calls=tuple(call for other in (path, *sharing) for call in traced.calls.get(other, ())),
        aliases=tuple(sharing),
        called=not by_name,
        special=special,
    )


def _read(
    module: nn.Module,
    names: list[str],
    parameter: Tensor,
    multiplications: tuple[Multiplication, ...],
    share_read: float,
) -> Layer:
    """The layer of a parameter that operators read beside any call of a layer."""
    name, *others = (_layer_name(parameter_name) for parameter_name in names)
    check_weight(name, parameter)
    main = next((one for one in multiplications if one.macs), multiplications[0])
    path = names[0].rpartition(".")[0]
    if isinstance(module.get_submodule(path), COMPRESSIBLE):  # which is not called, but read by what holds it
        path = path.rpartition(".")[0]
    size, whole = parameter.numel(), all(each.weights in (0, parameter.numel()) for each in multiplications)
    calls = [Call((1, each.inputs), (1, each.outputs), _positions(each.macs, size)) for each in multiplications]
    if not whole:  # parts of it are read apart: of all of them together
        inputs, outputs = (
            sum(each) for each in zip(*((one.inputs, one.outputs) for one in multiplications), strict=True)
        )
        calls = [Call((1, inputs), (1, outputs), _positions(sum(each.macs for each in multiplications), size))]
    return Layer(
        name=name,
        parameter=names[0],
        kind=main.kind,
        weight=_values(parameter, main.arrangement),
        shape=main.arrangement.shape(tuple(parameter.shape)),
        arrangement=main.arrangement,
        has_bias=False,
        groups=1,
        calls=tuple(calls),
        aliases=tuple(others),
        called=False,
        special=_why_alone(main.kind, module.get_submodule(path)),
        share_read=share_read,
        uneven=not whole and _unevenly(multiplications, size),
    )


def _positions(macs: int, weights: int) -> float:
    return macs // weights if macs % weights == 0 else macs / weights


def _unevenly(multiplications: tuple[Multiplication, ...], size: int) -> bool:
    """Whether parts of a weight may be used more often than others."""
    parts = [each for each in multiplications if each.weights]
    return len({each.macs / each.weights for each in parts}) > 1 or sum(each.weights for each in parts) != size


def _layer_name(parameter: str) -> str:
    return parameter.removesuffix(".weight")


def _why_alone(kind: str, owner: nn.Module) -> str:
    """Why nothing else may stand in the place of what reads a parameter, as the end of a sentence."""
    if kind == "embedding":
        return "is a table in which rows are looked up"
    if kind in ("conv1d", "conv2d"):
        return f"is convolved by {type(owner).__name__} itself, in no layer of its own"
    if kind.startswith("conv"):
        axes = kind[-2]
        return f"is a {axes}-D {'transposed ' * ('transpose' in kind)}convolution, for which there is no kernel here"
    return f"is multiplied by {type(owner).__name__} itself, in no layer of its own"


def _special(layer: Compressible) -> str:
    """Why nothing but the module itself computes what it does, as the end of a sentence; "" where torch's does."""
    kind = _kind(layer)
    own = [name for name in ("__call__", "forward", "_conv_forward") if _defines(layer, kind, name)]
    if own:
        return f"computes in a way of its own ({type(layer).__name__}.{own[-1]})"
    return "has hooks of its own" if layer._forward_hooks or layer._forward_pre_hooks else ""


def _kind(layer: Compressible) -> type[nn.Module]:
    return next(kind for kind in COMPRESSIBLE if isinstance(layer, kind))


def _defines(layer: nn.Module, kind: type[nn.Module], name: str) -> bool:
    return name in vars(layer) or getattr(type(layer), name, None) is not getattr(kind, name, None)


def _values(parameter: Any, arrangement: Arrangement) -> Floats | None:
    if parameter.is_meta:
        return None
    weight = np.ascontiguousarray(arrangement.weight(parameter.detach().numpy())).view()  # the network's own numbers
    weight.flags.writeable = False
    return weight
