"""GXNOR-Net: ternary weights and activations, and no other weights behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.method import Course, Trained, TrainingStep, setting
from workbench.methods._latent import weights
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.ternary import Ternary

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form

_STEEP = 3.0  # m of the transition's chance, as in the authors' code


@dataclass(frozen=True)
class GxnorNet(Trained):
    """Weights are −1, 0 or 1 after every update and nothing else is kept of them; what enters a layer is ternary, too.

    An update moves a weight by whole steps and takes one more with the chance tanh(3 · what is left of a step): the
    discrete state transition. Updates are −rate · gradient, in units of the gradients' root mean square in its layer,
    without momentum, which would be a second array of the weights' size. Weights are drawn anew. The first layer takes
    real inputs. Batch norm should stand behind every layer: a sum of ternary numbers has no scale of its own.
    """

    catalogue = ("BT-08",)
    title = "GXNOR-Net"
    paper = "Deng, Jiao, Pei, Wu, Li, GXNOR-Net, Neural Networks 100, 2018, sections 2.2 to 2.4"

    threshold: float = setting(
        0.5, "Size up to which an input becomes zero (r): the larger, the fewer products.", low=0.0, high=2.0, step=0.05
    )
    window: float = setting(
        0.5,
        "How far from the threshold an input may be for a gradient to go through (a).",
        low=0.1,
        high=2.0,
        step=0.05,
    )
    learning_rate: float = setting(
        0.01, "What a gradient of usual size moves a weight by.", low=0.0001, high=0.1, step=0.0001
    )
    epochs: int = setting(10, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return "is a product of several layers, each of which would be ternary" if form.factored else layout.unroundable

    def stand_in(self) -> None:
        """Until it is trained the network stays as it is."""

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        entering = Ternary(self.threshold, self.window)
        first = {layer.name for layer in state.model.layers if state.model.layout(layer).first}
        state = state.with_forms(
            {name: state.forms[name].with_entering(entering) for name in layers if name not in first}
        )
        module, random = state.module(), torch.Generator().manual_seed(self.seed)
        hold, owned = state.holding_zeros(module), weights(module, layers)
        with torch.no_grad():
            for weight in owned.values():
                weight.copy_(torch.randint(-1, 2, weight.shape, generator=random).float())
        hold()
        gradients: dict[str, Tensor] = {}

        def before_step() -> None:
            """The optimiser is to see none of them, and to keep nothing of them."""
            for name, weight in owned.items():
                if weight.grad is not None:
                    gradients[name], weight.grad = weight.grad, None

        @torch.no_grad()
        def after_step(step: TrainingStep) -> None:
            for name, gradient in gradients.items():
                usual = gradient.square().mean().sqrt().clamp(min=1e-30)
                owned[name].copy_(transition(owned[name], gradient * (-step.rate / usual), random))
            gradients.clear()
            hold()

        course.fit(
            module, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed, weight_decay=0.0,
            before_step=before_step, after_step=after_step,
        )  # fmt: skip
        state = state.trained(module)
        scale, point = np.ones(1, np.float32), np.full(1, symmetric_zero_point(2), np.float32)
        levels = Affine(2, Grouping("tensor"), scale, point, symmetric=True)
        forms = {name: state.forms[name] for name in layers}
        yield state.with_forms(
            {name: form.with_parts([part.rounded(levels) for part in form.parts]) for name, form in forms.items()}
        )


def transition(ternary: Tensor, change: Tensor, random: torch.Generator) -> Tensor:
    """The next weights, −1, 0 or 1, for a change that is real (equations 18 to 23 of the paper, steps of 1).

    The change is first cut to what leads no farther than ±1.
    """
    bounded = torch.minimum(torch.maximum(change, -1 - ternary), 1 - ternary)
    whole = bounded.trunc()
    left = bounded - whole
    more = torch.rand(ternary.shape, generator=random) < torch.tanh(_STEEP * left.abs())
    return ternary + whole + torch.sign(bounded) * more
