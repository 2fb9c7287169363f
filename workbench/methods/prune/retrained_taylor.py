"""Pruning by the Taylor criterion as its paper does it: a few maps go, the others are fine-tuned, and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from workbench.method import METHODS, Calibrated, Course, Trained, setting
from workbench.methods._retrained import Schedule, reached, retrained, schedule_setting
from workbench.methods.prune._emptied import slimmer

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class RetrainedTaylor(Trained):
    """In every round the maps of lowest Θ are emptied, up to the share after the last, and what is left is fine-tuned.

    Θ is worked out anew in every round, of the network as it has become (figure 1 of the paper; see
    `prune.taylor-filter`). A map that has gone stays zero, with its bias and the weights that meet it: no gradient
    reaches them.
    """

    catalogue = ("PR-16",)
    title = "Taylor criterion with fine-tuning"
    paper = "Molchanov, Tyree, Karras, Aila, Kautz, Pruning CNNs for resource efficient inference, ICLR 2017, section 2"

    share: float = setting(
        0.5, "Share of the network's feature maps that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )
    operations: float = setting(
        0.0, "λ: how much a map's share of the operations counts against it.", low=0.0, high=100.0, step=0.5
    )
    rounds: int = setting(5, "How often maps are emptied and the others fine-tuned.", low=1, high=50, step=1)
    schedule: Schedule = schedule_setting("even")  # noqa: RUF009 (a field, like `setting`)
    epochs: int = setting(1, "Passes over the training images in each round.", low=1, high=50, step=1)
    learning_rate: float = setting(
        0.001, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )

    def stand_in(self) -> Calibrated:
        return self._cut(self.share)

    def _cut(self, share: float) -> Calibrated:
        chosen = {"share": share, "operations": self.operations}
        return cast(Calibrated, METHODS["prune.taylor-filter"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        for number in range(1, self.rounds + 1):
            cut = self._cut(reached(self.share, number, self.rounds, self.schedule))
            forms = {name: state.forms[name] for name in layers}
            decisions = cut.settle(forms, course.evidence(state))
            emptied = {name: cut.compress(form, decisions[name]) for name, form in forms.items()}
            state = state.with_forms(emptied).with_rest(cut.beside(state.model.rest, decisions))
            state = slimmer(state, state.forms, course.evidence(state))
            state = retrained(
                state, course, number, self.rounds, epochs=self.epochs, seed=self.seed, learning_rate=self.learning_rate
            )
        yield state
