"""Magnitude pruning with retraining: cut, train what is left, and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._retrained import Schedule, reached, retrained, schedule_setting

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class RetrainedMagnitude(Trained):
    """In every round the smallest weights are cut, up to the sparsity after the last, and the others trained on.

    Training goes on from the surviving values, as the paper finds to be decisive. Whether less is learnt by heart then
    is asked by `workbench bench overfitting`: yes, where a fifth of 1,000 labels is wrong; else that stays undecided.
    """

    catalogue = ("PR-01", "TT-06")
    title = "Magnitude pruning with retraining"
    paper = "Han, Pool, Tran, Dally, Learning both Weights and Connections, NeurIPS 2015, section 3"

    sparsity: float = setting(
        0.9, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01, axis="sparsity"
    )
    scope: Literal["global", "layer"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )
    rounds: int = setting(3, "How often weights are cut and the others trained.", low=1, high=10, step=1)
    schedule: Schedule = schedule_setting("geometric")  # noqa: RUF009 (a field, like `setting`)
    epochs: int = setting(3, "Passes over the training images in each round.", low=1, high=50, step=1)
    learning_rate: float = setting(
        0.001, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )

    def stand_in(self) -> Layerwise:
        return self._cut(self.sparsity)

    def _cut(self, sparsity: float) -> Layerwise:
        chosen = {"sparsity": sparsity, "scope": self.scope}
        return cast(Layerwise, METHODS["prune.magnitude"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        for number in range(1, self.rounds + 1):
            sparsity = reached(self.sparsity, number, self.rounds, self.schedule)
            cut = state.with_forms(self._cut(sparsity).apply({name: state.forms[name] for name in layers}))
            state = retrained(
                cut, course, number, self.rounds, epochs=self.epochs, seed=self.seed, learning_rate=self.learning_rate
            )
        yield state
