"""Quantisation-aware training: the network learns with the rounded weights that it will have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn
from torch.nn.utils import parametrize

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.weights.form import Form

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class QuantisationAware(Trained):
    """Both passes use the weights as uniform quantisation rounds them; the gradient goes straight through the rounding.

    A full-precision copy of every weight is what is updated (Courbariaux, Bengio, David, BinaryConnect, 2015, section
    2.3), and the result is its rounding. Zeros stay zero. With one bit and a scale for each output it is the
    Binary-Weight Network of Rastegari et al. 2016.
    """

    catalogue = ("QU-14", "BT-05")
    title = "Quantisation-aware training"
    paper = "Jacob et al., Quantization and training of neural networks for integer-only inference, 2018, section 3"

    bits: int = setting(4, "Width of one stored weight.", unit="bits", low=1, high=8, step=1, axis="bits")
    per: Literal["tensor", "channel", "group"] = setting(
        "channel",
        "Which weights share one scale: all of a layer, those of one output channel, or 64 neighbours in it.",
        choices=("tensor", "channel", "group"),
    )
    epochs: int = setting(5, "Passes over the training images.", low=1, high=50, step=1)

    def stand_in(self) -> Layerwise:
        chosen = {"bits": self.bits, "per": self.per}
        return cast(Layerwise, METHODS["quantize.uniform"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        quantiser, module = self.stand_in(), state.module()
        hold = state.holding_zeros(module)
        rounded = [tensor for name in layers for tensor in _layers(module, name, state.forms[name])]
        for layer in rounded:
            parametrize.register_parametrization(layer, "weight", _Rounded(quantiser))
        course.fit(
            module, epochs=self.epochs, learning_rate=5e-4, seed=self.seed, after_step=lambda step, steps: hold()
        )
        for layer in rounded:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        state = state.trained(module)
        yield state.with_forms(quantiser.apply({name: state.forms[name] for name in layers}))


class _Rounded(nn.Module):
    """A weight as `quantiser` rounds it, by the very code that compresses; its gradient is the rounded one's."""

    def __init__(self, quantiser: Layerwise) -> None:
        super().__init__()
        self._quantiser = quantiser

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        form = Form.of(weight.detach().numpy())
        rounded = self._quantiser.compress(form, None).compose()
        return weight + (torch.from_numpy(rounded.copy()) - weight).detach()


def _layers(module: nn.Module, name: str, form: Form) -> list[nn.Module]:
    """The torch layers that hold a layer's factors."""
    places = [f"{name}.{place}" for place in range(len(form.factors))] if form.factored else [name]
    return [module.get_submodule(place) for place in places]
