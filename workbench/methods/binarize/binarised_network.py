"""Binarised neural network: signs of weights and of activations, and nothing but signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import torch

from workbench.method import METHODS, Calibrated, Course, Layerwise, Trained, setting
from workbench.methods._latent import Latent, weights
from workbench.weights.levels.signs import Signs

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class BinarisedNetwork(Trained):
    """Weights are ±1, and what enters every layer but the first is ±1; real weights in [−1, 1] take the updates.

    The gradient goes straight through the sign of an input where |x| ≤ 1. Batch norm has to stand in front of the
    signs, as the paper has it, and behind the last layer: layers that receive nothing negative are spared.
    """

    catalogue = ("BT-04",)
    title = "Binarised neural network"
    paper = "Hubara, Courbariaux, Soudry, El-Yaniv, Bengio, Binarized neural networks, NeurIPS 2016, section 1"

    through: Literal["clipped", "open"] = setting(
        "clipped",
        "Through which signs gradients go: of inputs up to 1 in size, as the paper has it, or of all.",
        choices=("clipped", "open"),
    )
    epochs: int = setting(10, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def stand_in(self) -> Calibrated:
        chosen = {"scale": "none"}
        return cast(Calibrated, METHODS["binarize.signs"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        levels = Signs(by_window=False, reach=1.0 if self.through == "clipped" else float("inf"))
        first = {layer.name for layer in state.model.layers if state.model.layout(layer).first}
        state = state.with_forms(
            {name: state.forms[name].with_entering(levels) for name in layers if name not in first}
        )
        module = state.module()
        hold = state.holding_zeros(module)

        def sign(name: str, weight: Tensor) -> Tensor:
            return torch.where(weight >= 0, 1.0, -1.0)

        latent = Latent(weights(module, layers), sign, lambda name, weight: weight.clamp(-1, 1))
        latent.fit(course, module, hold, epochs=self.epochs, learning_rate=3e-3, seed=self.seed)
        state = state.trained(module)
        chosen = {"height": "one"}
        signs = cast(Layerwise, METHODS["binarize.deterministic"](**chosen))
        yield state.with_forms(signs.apply({name: state.forms[name] for name in layers}))
