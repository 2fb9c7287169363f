"""LightNN: a network that learns with weights that are sums of a few powers of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._straight_through import used_as

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class TrainedLightNN(Trained):
    """Both passes use Q_k(w), the greedy sum of k signed powers of two; a full-precision copy is what is updated.

    The gradient goes straight through the rounding. Zeros stay zero. What is kept is Q_k of the copy, so that every
    multiplication is k shifts and k − 1 additions.
    """

    catalogue = ("QU-07",)
    title = "LightNN"
    paper = "Ding, Liu, Shi, Marculescu, Blanton, LightNN, GLSVLSI 2017, section 3"

    terms: int = setting(1, "How many signed powers of two make a weight.", unit="terms", low=1, high=3, step=1)
    epochs: int = setting(5, "Passes over the training images.", low=1, high=50, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if layout.called else "has no call of its own, in which its rounded weight could be trained"

    def stand_in(self) -> Layerwise:
        chosen = {"terms": self.terms}
        return cast(Layerwise, METHODS["quantize.light-nn"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        powers, module = self.stand_in(), state.module()
        others = {name: form for name, form in state.forms.items() if name not in layers}
        hold, hold_others = state.holding_zeros(module), state.holding(module, others)

        def held() -> None:
            hold()
            hold_others()

        end = used_as(module, layers, powers)
        course.fit(module, epochs=self.epochs, learning_rate=5e-4, seed=self.seed, after_step=lambda step: held())
        end()
        state = state.trained(module).with_forms(others)
        yield state.with_forms(powers.apply({name: state.forms[name] for name in layers}))
