"""DoReFa-Net: training with weights, activations and gradients of few bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from workbench.evidence import Layout
from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._latent import owners
from workbench.methods.quantize._dorefa import (
    codes_of,
    end_of_network,
    entering,
    mean_magnitude,
    on_levels,
    quantised_gradient,
)

if TYPE_CHECKING:
    from workbench.network.state import State
    from workbench.weights.form import Form

_WIDEST = 8  # bits; what is wider is left as it is


@dataclass(frozen=True)
class Dorefa(Trained):
    """Both passes multiply k-bit weights with k-bit activations of 0 to 1, the backward one with k-bit gradients.

    Weights are 2 q_k(tanh r / (2 max |tanh r|) + ½) − 1, or sign(r) · E |r| of one bit; what enters a layer is
    q_k(clip(x, 0, 1)); the gradient of what leaves it is rounded, sample by sample, with noise that keeps it right on
    average. Gradients go straight through q_k, and not through the clip where it clips. Full-precision weights take the
    updates. More than 8 bits of any of the three leave that one as it is. Layers are best followed by batch norm.
    """

    catalogue = ("QU-10", "GU-11")
    title = "DoReFa-Net"
    paper = "Zhou, Wu, Ni, Zhou, Wen, Zou, DoReFa-Net, 2016, arXiv 1606.06160, sections 2.2 to 2.7 and algorithm 1"

    weights: int = setting(1, "Width of a weight; 9 and more: float32.", unit="bits", low=1, high=32, step=1)
    activations: int = setting(
        2, "Width of what enters a layer; 9 and more: float32.", unit="bits", low=1, high=32, step=1
    )
    gradients: int = setting(6, "Width of a gradient; 9 and more: float32.", unit="bits", low=1, high=32, step=1)
    noise: Literal["yes", "no"] = setting(
        "yes", "Whether noise keeps rounded gradients right on average.", choices=("yes", "no")
    )
    epochs: int = setting(8, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def exemption(self, layout: Layout) -> str | None:
        return end_of_network(layout)

    def stand_in(self) -> Layerwise | None:
        chosen = {"bits": self.weights}
        return cast(Layerwise, METHODS["quantize.dorefa-weights"](**chosen)) if self.weights <= _WIDEST else None

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        if self.activations <= _WIDEST:
            levels = entering(self.activations)
            state = state.with_forms({name: state.forms[name].with_entering(levels) for name in layers})
        module, random = state.module(), torch.Generator().manual_seed(self.seed)
        hold, placed = state.holding_zeros(module), owners(module, layers)
        handles = []
        for name in layers:
            place = module.get_submodule(name)
            if self.activations <= _WIDEST:  # before it is rounded
                handles.append(place.register_forward_pre_hook(_clipped, prepend=True))
            if self.gradients <= _WIDEST:
                handles.append(place.register_forward_hook(self._backward(random)))
        if self.weights <= _WIDEST:
            for owner in placed.values():
                parametrize.register_parametrization(owner, "weight", _Weights(self.weights))
        course.fit(module, epochs=self.epochs, learning_rate=1e-3, seed=self.seed, after_step=lambda step: hold())
        if self.weights <= _WIDEST:
            for owner in placed.values():
                parametrize.remove_parametrizations(owner, "weight", leave_parametrized=False)
        for handle in handles:
            handle.remove()
        state = state.trained(module)
        if self.weights <= _WIDEST:
            state = state.with_forms({name: self._rounded(state.forms[name]) for name in layers})
        yield state

    def _rounded(self, form: Form) -> Form:
        return form.with_parts([on_levels(part, self.weights) for part in form.parts])

    def _backward(self, random: torch.Generator) -> Any:
        bits, by_chance = self.gradients, random if self.noise == "yes" else None

        def hook(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
            if not output.requires_grad:
                return output
            return cast(Tensor, _Quantised.apply(output, bits, by_chance))

        return hook


def _clipped(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return inputs[0].clamp(0, 1), *inputs[1:]


class _Weights(nn.Module):
    """Weights at their levels; the gradient goes straight through the rounding. Zeros stay."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def forward(self, weight: Tensor) -> Tensor:
        codes = codes_of(weight.detach(), self._bits)
        if self._bits == 1:
            made = (2 * codes - 1) * mean_magnitude(weight.detach())
            return (weight + (made - weight).detach()) * (weight != 0)
        squeezed = torch.tanh(weight)
        smooth = squeezed / squeezed.detach().abs().max().clamp(min=1e-30)
        made = 2 * codes / (2**self._bits - 1) - 1
        return (smooth + (made - smooth).detach()) * (weight != 0)


class _Quantised(torch.autograd.Function):
    """What leaves a layer, whose gradient is rounded."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, bits: int, random: torch.Generator | None) -> Tensor:
        ctx.bits, ctx.random = bits, random
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return quantised_gradient(gradients[0], ctx.bits, ctx.random), None, None
