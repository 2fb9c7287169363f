"""Quantisation-aware training: the network learns with the rounded weights that it will have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._straight_through import used_as

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class QuantisationAware(Trained):
    """Both passes use the weights as uniform quantisation rounds them; the gradient goes straight through the rounding.

    A full-precision copy of every weight is what is updated (Courbariaux, Bengio, David, BinaryConnect, 2015, section
    2.3), and the result is its rounding. Zeros stay zero. With one bit and a scale for each output it is the
    Binary-Weight Network of Rastegari et al. 2016. That few bits keep a network from learning by heart is undecided
    on 1,000 digits (`workbench bench overfitting`).
    """

    catalogue = ("QU-14", "BT-05", "TT-03")
    title = "Quantisation-aware training"
    paper = "Jacob et al., Quantization and training of neural networks for integer-only inference, 2018, section 3"

    bits: int = setting(4, "Width of one stored weight.", unit="bits", low=1, high=8, step=1, axis="bits")
    per: Literal["tensor", "channel", "group"] = setting(
        "channel",
        "Which weights share one scale: all of a layer, those of one output channel, or 64 neighbours in it.",
        choices=("tensor", "channel", "group"),
    )
    epochs: int = setting(5, "Passes over the training images.", low=1, high=50, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if layout.called else "has no call of its own, in which its rounded weight could be trained"

    def stand_in(self) -> Layerwise:
        chosen = {"bits": self.bits, "per": self.per}
        return cast(Layerwise, METHODS["quantize.uniform"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        quantiser, module = self.stand_in(), state.module()
        hold = state.holding_zeros(module)
        end = used_as(module, layers, quantiser)
        course.fit(module, epochs=self.epochs, learning_rate=5e-4, seed=self.seed, after_step=lambda step: hold())
        end()
        state = state.trained(module)
        yield state.with_forms(quantiser.apply({name: state.forms[name] for name in layers}))
