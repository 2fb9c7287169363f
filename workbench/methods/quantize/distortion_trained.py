"""Training with distorted weights, which makes a network bear other distortions, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._latent import Latent, weights
from workbench.methods.quantize._distorted import Kind, amount_setting, distorted, kind_setting, usual

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class DistortionTrained(Trained):
    """Both passes use weights distorted anew in each step; the real ones, clipped to [−H, H], take the updates.

    H is a layer's mean |w| when training begins. What is given are the real weights after the last pass, to be rounded
    or distorted by a step behind this one.
    """

    catalogue = ("QU-12",)
    title = "Training with distorted weights"
    paper = "Merolla, Appuswamy, Arthur, Esser, Modha, Deep neural networks are robust to weight binarization, 2016, 2"

    kind: Kind = kind_setting("sign", "What a weight becomes in training")  # noqa: RUF009 (a field, like `setting`)
    amount: float = amount_setting()
    epochs: int = setting(8, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if layout.called else "has no call of its own, in which its distorted weight could be trained"

    def stand_in(self) -> Layerwise:
        chosen = {"kind": self.kind, "amount": self.amount, "seed": self.seed}
        return cast(Layerwise, METHODS["quantize.distortion"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        module, random = state.module(), np.random.default_rng(self.seed)
        hold, owned = state.holding_zeros(module), weights(module, layers)
        heights = {name: usual(weight.detach().numpy()) for name, weight in owned.items()}

        def used(name: str, weight: Tensor) -> Tensor:
            made = distorted(weight.detach().numpy(), heights[name], self.kind, self.amount, random)
            return torch.from_numpy(made)

        latent = Latent(owned, used, lambda name, weight: weight.clamp(-heights[name], heights[name]))
        latent.fit(course, module, hold, epochs=self.epochs, learning_rate=1e-3, seed=self.seed, last=True)
        latent.before_step()  # the real weights again
        yield state.trained(module)
