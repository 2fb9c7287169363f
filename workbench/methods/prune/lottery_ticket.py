"""Lottery tickets: what is left of a trained network is put back to its first weights and trained from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._drawn import drawn
from workbench.methods._retrained import Schedule, reached, schedule_setting, trained_on

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class LotteryTicket(Trained):
    """θ₀, train, cut the smallest weights, put the others back to θ₀, train; again in each round with a sparser mask.

    θ₀ is what the network's training began with, where the shelf knows that, and its weights are those that are cut.
    Any other network is first drawn anew by the seed, and trained from there. Biases and batch norms go back, too. The
    control of the paper begins its last training elsewhere: of the same mask and weights that are drawn anew.
    """

    catalogue = ("PR-24",)
    title = "Lottery ticket"
    paper = "Frankle, Carbin, The lottery ticket hypothesis: finding sparse, trainable neural networks, ICLR 2019, 1"

    sparsity: float = setting(
        0.9, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01, axis="sparsity"
    )
    scope: Literal["global", "layer"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )
    start: Literal["first", "new"] = setting(
        "first",
        "Where weights that are left begin: at their first values (first), or drawn anew, which is the control (new).",
        choices=("first", "new"),
    )
    rounds: int = setting(1, "How often weights are cut and the others trained from the start.", low=1, high=20, step=1)
    schedule: Schedule = schedule_setting("geometric")  # noqa: RUF009 (a field, like `setting`)
    epochs: int = setting(5, "Passes over the training images in each training.", low=1, high=200, step=1)

    def stand_in(self) -> Layerwise:
        return self._cut(self.sparsity)

    def _cut(self, sparsity: float) -> Layerwise:
        chosen = {"sparsity": sparsity, "scope": self.scope}
        return cast(Layerwise, METHODS["prune.magnitude"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        first = course.start(state)
        before = 1 if first is None else 0  # trainings of the whole network
        trainings = before + self.rounds
        if first is None:
            first = drawn(state, self.seed, self.name)
            whole = put_back(state, first)
            state = trained_on(whole, course, epochs=self.epochs, seed=self.seed, share=(0.0, 1 / trainings))
        for number in range(1, self.rounds + 1):
            sparsity = reached(self.sparsity, number, self.rounds, self.schedule)
            cut = state.with_forms(self._cut(sparsity).apply({name: state.forms[name] for name in layers}))
            control = self.start == "new" and number == self.rounds
            ticket = put_back(cut, drawn(state, self.seed + 1, self.name) if control else first)
            share = (before + number - 1) / trainings, (before + number) / trainings
            state = trained_on(ticket, course, epochs=self.epochs, seed=self.seed + number, share=share)
        yield state


def put_back(cut: State, first: State) -> State:
    """`cut` with every weight that is left, and everything beside the weights, as they are in `first`."""
    forms = {
        name: form.with_values(
            [
                np.where(part.values != 0, began.values, np.float32(0))
                for part, began in zip(form.parts, first.forms[name].parts, strict=True)
            ]
        )
        for name, form in cut.forms.items()
    }
    return cut.with_forms(forms).with_rest(first.model.rest)
