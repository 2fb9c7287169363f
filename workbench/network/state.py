"""What a step of a recipe is given, and gives back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.cache import Cache, fingerprint
from workbench.errors import ModelError
from workbench.network.arrangement import AS_IT_IS, Arrangement
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.simulated import simulated
from workbench.weights.form import Form
from workbench.weights.part import Part

if TYPE_CHECKING:
    from torch import nn

Forms = Mapping[str, Form]
_variants: Cache[Model] = Cache(ceiling=64 * 2**20)


@dataclass(frozen=True)
class Held:
    """A tensor that a module holds of a layer's weights: the attribute `leaf` of `owner`.

    factor: its place in the layer's form, whose part it was filled from. arrangement: how the part lies in it.
    """

    layer: str
    factor: int
    owner: nn.Module
    leaf: str
    part: Part
    arrangement: Arrangement


@dataclass(frozen=True, eq=False)
class State:
    """A network between two steps.

    model: with the tensors beside the layers' weights (biases, batch norm) as they are now. forms: of its layers, in
    their order.
    """

    model: Model
    forms: Forms

    @classmethod
    def of(cls, model: Model) -> Self:
        """The network as it came."""
        return cls(model, MappingProxyType({layer.name: layer.form for layer in model.layers}))

    def with_forms(self, forms: Forms) -> Self:
        """The same with other forms for some layers."""
        return replace(self, forms=MappingProxyType({**self.forms, **forms}))

    def with_rest(self, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """The same with other values for some tensors beside the weights. Equal values give the same model again."""
        rest = self.model.rest
        changed = {name: tensor for name, tensor in tensors.items() if not np.array_equal(rest[name], tensor)}
        if not changed:
            return self
        key = fingerprint(*sorted(changed), *(changed[name] for name in sorted(changed)))
        return replace(self, model=_variants.get(key, lambda: self.model.with_rest(changed), self.model))

    def taking(self, result: State) -> Self:
        """The same state with everything that `result` holds of the same network."""
        forms = {name: form.following(self.forms[name]) for name, form in result.forms.items()}
        return self.with_forms(forms).with_rest(result.model.rest)

    def module(self) -> nn.Module:
        """A plain torch module of its own that computes what the state does, in evaluation mode."""
        return simulated(self.model, self.forms)

    def fill(self, module: nn.Module, forms: Forms) -> None:
        """Give layers of `module`, which `module()` gave, the weights of other forms, of the same factors each."""
        for name, form in forms.items():
            tensors = _weights(module, self.model.layer(name), form)
            for part, (weight, arrangement) in zip(form.parts, tensors, strict=True):
                weight.detach().copy_(torch.from_numpy(arrangement.tensor(part.values)))

    def held(self, module: nn.Module, layers: Collection[str]) -> list[Held]:
        """What `module`, which `module()` gave, holds of these layers' weights, factor by factor."""
        found = []
        for name in layers:
            form, layer = self.forms[name], self.model.layer(name)
            for factor, part in enumerate(form.parts):
                owner, _, leaf = (
                    f"{name}.{factor}.weight".rpartition(".") if form.factored else (layer.parameter.rpartition("."))
                )
                arrangement = AS_IT_IS if form.factored else layer.arrangement
                found.append(Held(name, factor, module.get_submodule(owner), leaf, part, arrangement))
        return found

    def holding_zeros(self, module: nn.Module) -> Callable[[], None]:
        """What makes every weight of `module` zero again that is zero in this state; `module()` gave it."""
        masks = []
        for layer in self.model.layers:
            weights = _weights(module, layer, self.forms[layer.name])
            for part, (weight, arrangement) in zip(self.forms[layer.name].parts, weights, strict=True):
                if part.nonzeros < part.size:
                    masks.append((weight, torch.from_numpy(arrangement.tensor(part.values != 0))))

        def hold() -> None:
            with torch.no_grad():
                for weight, mask in masks:
                    weight.mul_(mask)

        return hold

    def holding(self, module: nn.Module, names: Collection[str]) -> Callable[[], None]:
        """What makes the weights of these layers of `module` again what they are there now; `module()` gave it."""
        kept = [
            (weight, weight.detach().clone())
            for layer in self.model.layers
            if layer.name in names
            for weight, _ in _weights(module, layer, self.forms[layer.name])
        ]

        def hold() -> None:
            with torch.no_grad():
                for weight, was in kept:
                    weight.copy_(was)

        return hold

    def trained(self, module: nn.Module) -> Self:
        """The state with the weights and other tensors of `module`, which `module()` gave and training has changed.

        Every layer that was trained has new full-precision values: its zeros stay zeros only where training kept them.
        """
        state = module.state_dict()
        forms = {}
        for layer in self.model.layers:
            form = self.forms[layer.name]
            values = [
                arrangement.weight(weight.detach().numpy()).copy()
                for weight, arrangement in _weights(module, layer, form)
            ]
            forms[layer.name] = form.with_values(values)
        rest = {name: _found(state, name) for name in self.model.rest}
        return self.with_forms(forms).with_rest(rest)


def _weights(module: nn.Module, layer: Layer, form: Form) -> list[tuple[torch.Tensor, Arrangement]]:
    """The tensors of a layer, one a factor, and how its weights lie in them."""
    if not form.factored:
        return [(module.get_parameter(layer.parameter), layer.arrangement)]
    return [(module.get_parameter(f"{layer.name}.{place}.weight"), AS_IT_IS) for place in range(len(form.factors))]


def _found(state: Mapping[str, torch.Tensor], name: str) -> NDArray[Any]:
    """A tensor of the module; the bias of a layer that became several is that of the last of them."""
    if name in state:
        return state[name].detach().numpy().copy()
    owner, _, leaf = name.rpartition(".")
    factors = sorted(
        (int(key.split(".")[-2]), key) for key in state if key.startswith(f"{owner}.") and key.endswith(f".{leaf}")
    )
    if not factors:
        raise ModelError(f"Tensor {name!r} is not in the network any more.")
    return state[factors[-1][1]].detach().numpy().copy()
