"""Structured pruning by a particle filter as its paper does it: what is left after the cut is retrained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from workbench.evidence import Layout
from workbench.method import METHODS, Calibrated, Course, Trained, setting
from workbench.methods._retrained import retrained
from workbench.methods.prune._emptied import slimmer
from workbench.weights.form import Form

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class RetrainedParticleFilter(Trained):
    """Masks are searched for as in `prune.particle-filter`, and the network is trained on with what went held at zero.

    The paper rounds the result to fixed point afterwards, which is a step of its own here.
    """

    catalogue = ("PR-05",)
    title = "Particle filter with retraining"
    paper = "Anwar, Hwang, Sung, Structured pruning of deep convolutional neural networks, JETC 13(3), 2017"

    share: float = setting(
        0.5, "Share of each layer's maps, kernels or entries that goes.", unit="share", low=0.0, high=1.0, step=0.01
    )
    granularity: Literal["maps", "kernels", "strided"] = setting(
        "maps",
        "What goes: feature maps, kernels, or entries of the kernels at a stride and offset that those of one source "
        "map share.",
        choices=("maps", "kernels", "strided"),
    )
    particles: int = setting(16, "How many masks are tried at a time.", low=2, high=500, step=1)
    searches: int = setting(6, "How often masks are tried, resampled and moved.", low=1, high=200, step=1)
    sample: int = setting(200, "How many calibration images each mask is tried on.", low=10, high=10_000, step=10)
    epochs: int = setting(3, "Passes over the training images after the cut.", low=1, high=200, step=1)

    def stand_in(self) -> Calibrated:
        search = METHODS["prune.particle-filter"]
        return cast(Calibrated, search(**{name: getattr(self, name) for name in search.settings()}))

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return self.stand_in().refusal(form, layout)

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        cut = cast(Any, self.stand_in())
        forms = {name: state.forms[name] for name in layers}
        decisions = cut.decided(forms, course.evidence(state), (), course.each)
        left = {name: cut.compress(form, decisions[name]) for name, form in forms.items()}
        state = state.with_forms(left).with_rest(cut.beside(state.model.rest, decisions))
        state = slimmer(state, state.forms, course.evidence(state))
        yield retrained(state, course, 1, 1, epochs=self.epochs, seed=self.seed)
