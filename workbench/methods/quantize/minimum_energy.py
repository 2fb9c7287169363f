"""Training at Q bits throughout, for networks of least energy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._latent import Latent, weights
from workbench.weights.levels.fixed_point import FixedPoint as Levels

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class MinimumEnergy(Trained):
    """Weights and what enters each layer but the first are clip(round(x 2^(Q−1)), −2^(Q−1), 2^(Q−1) − 1) / 2^(Q−1).

    Gradients go straight through, of inputs between −1 and 1. Full-precision weights take the updates, clipped to
    [−1, 1]; they begin as the network's, each layer's stretched to that range. So batch norm has to stand behind every
    layer. Which Q and which width give least energy at an accuracy is read off the trade-off.
    """

    catalogue = ("QU-11",)
    title = "Quantised for least energy"
    paper = "Moons, Goetschalckx, Van Berckelaer, Verhelst, Minimum energy quantized neural networks, 2017, section III"

    bits: int = setting(4, "Width of weights and activations (Q).", unit="bits", low=2, high=8, step=1)
    learning_rate: float = setting(
        0.03, "What a step of training moves a weight by, at most.", low=0.001, high=0.1, step=0.001
    )
    epochs: int = setting(8, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def stand_in(self) -> Layerwise:
        chosen = {"bits": self.bits, "integer": 1}
        return cast(Layerwise, METHODS["precision.fixed-point"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        levels = Levels(1, self.bits - 1)
        first = {layer.name for layer in state.model.layers if state.model.layout(layer).first}
        inner = [name for name in layers if name not in first]
        state = state.with_forms({name: state.forms[name].with_entering(levels) for name in inner})
        module = state.module()
        hold, owned = state.holding_zeros(module), weights(module, layers)
        clips = [module.get_submodule(name).register_forward_pre_hook(_clipped, prepend=True) for name in inner]
        with torch.no_grad():
            for weight in owned.values():
                weight.div_(weight.abs().max().clamp(min=1e-30))

        def used(name: str, weight: Tensor) -> Tensor:
            return torch.from_numpy(levels.nearest(np.ascontiguousarray(weight.detach().numpy()), None))

        latent = Latent(owned, used, lambda name, weight: weight.clamp(-1, 1))
        latent.fit(course, module, hold, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed)
        for clip in clips:
            clip.remove()
        state = state.trained(module)
        forms = {name: state.forms[name] for name in layers}
        yield state.with_forms(
            {name: form.with_parts([part.rounded(levels) for part in form.parts]) for name, form in forms.items()}
        )


def _clipped(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return inputs[0].clamp(-1, 1), *inputs[1:]
