"""XNOR-Net: a network that is trained with the signs of its weights and of what enters its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from workbench.evidence import Layout
from workbench.method import METHODS, Calibrated, Course, Trained, setting
from workbench.methods._straight_through import used_as
from workbench.methods.binarize._signs import Scale, binary_weights, end_of_network, scale_setting, with_sign_inputs

if TYPE_CHECKING:
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class XnorNet(Trained):
    """Both passes use α sign(W) and sign(I); full-precision weights are what the optimiser changes (Algorithm 1).

    Gradients go straight through either sign, of inputs where |x| is no larger than the layer's root mean square: with
    batch norm in front of the signs, as the paper has it, that is its |x| ≤ 1. Its factor 1/n + α on the gradient of a
    filter cancels in Adam. The blocks stay in the network's own order, so that only layers that receive numbers of
    both signs are binarised, and neither the first nor the last.
    """

    catalogue = ("BT-06",)
    title = "XNOR-Net"
    paper = "Rastegari, Ordonez, Redmon, Farhadi, XNOR-Net, ECCV 2016, sections 3.2 and 3.3"

    scale: Scale = scale_setting()  # noqa: RUF009 (a field, like `setting`)
    epochs: int = setting(10, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def exemption(self, layout: Layout) -> str | None:
        return end_of_network(layout)

    def stand_in(self) -> Calibrated:
        chosen = {"scale": self.scale}
        return cast(Calibrated, METHODS["binarize.signs"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        state = state.with_forms({name: with_sign_inputs(state.forms[name], self.scale) for name in layers})
        module, weights = state.module(), binary_weights()
        hold = state.holding_zeros(module)
        end = used_as(module, layers, weights)
        course.fit(module, epochs=self.epochs, learning_rate=1e-3, seed=self.seed, after_step=lambda step: hold())
        end()
        state = state.trained(module)
        yield state.with_forms(weights.apply({name: state.forms[name] for name in layers}))
