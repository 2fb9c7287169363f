"""BinaryConnect: both passes compute with binary weights, what is updated are real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._latent import Latent, weights
from workbench.methods.binarize._two_values import Height, drawn_positive, height_of, height_setting, positive

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class BinaryConnect(Trained):
    """Weights are ±H in the forward and the backward pass; real weights take the updates and are clipped to [−H, H].

    H is fixed when training begins. What is given are the binary weights of the last pass of the best epoch: signs, or
    one draw of each weight, where the paper tests stochastic training with the real ones. Of the three products of a
    layer and step (forward, backward, gradient of the weights) the first two multiply by ±1, so need no multiplication.
    """

    catalogue = ("BT-02", "BT-03")
    title = "BinaryConnect"
    paper = "Courbariaux, Bengio, David, BinaryConnect, NeurIPS 2015, section 2 and algorithm 1"

    rule: Literal["deterministic", "stochastic"] = setting(
        "deterministic",
        "Which of the two values a weight takes: by its sign, or by chance anew in each step.",
        choices=("deterministic", "stochastic"),
    )
    height: Height = height_setting()  # noqa: RUF009 (a field, like `setting`)
    epochs: int = setting(8, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if layout.called else "has no call of its own, in which its binary weight could be trained"

    def stand_in(self) -> Layerwise:
        chosen = {"height": self.height} | ({"seed": self.seed} if self.rule == "stochastic" else {})
        return cast(Layerwise, METHODS[f"binarize.{self.rule}"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        import torch

        module, random = state.module(), np.random.default_rng(self.seed)
        hold, owned = state.holding_zeros(module), weights(module, layers)
        heights = {name: height_of(weight.detach().numpy(), self.height) for name, weight in owned.items()}

        def used(name: str, weight: Tensor) -> Tensor:
            values = weight.detach().numpy()
            by_sign = self.rule == "deterministic"
            above = positive(values) if by_sign else drawn_positive(values, heights[name], random)
            return torch.from_numpy(np.where(above, np.float32(heights[name]), np.float32(-heights[name])))

        def kept(name: str, weight: Tensor) -> Tensor:
            return weight.clamp(-heights[name], heights[name])

        latent = Latent(owned, used, kept)
        latent.fit(course, module, hold, epochs=self.epochs, learning_rate=1e-3, seed=self.seed)
        state = state.trained(module)
        chosen = {"height": self.height}
        signs = cast(Layerwise, METHODS["binarize.deterministic"](**chosen))
        yield state.with_forms(signs.apply({name: state.forms[name] for name in layers}))
