"""The loop of pruning: rank, remove, fine-tune, and again for as long as the answers stay good enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from workbench.method import METHODS, Calibrated, Course, Layerwise, Trained, setting
from workbench.methods._retrained import retrained
from workbench.methods.prune._emptied import slimmer

if TYPE_CHECKING:
    from workbench.network.state import State

RANK, REMOVE, TUNE, DECIDE = BOXES = ("Rank", "Remove", "Fine-tune", "Good enough?")


@dataclass(frozen=True)
class Loop(Trained):
    """In turn k a criterion ranks what is left anew, up to share · k of all goes, and the rest is fine-tuned.

    With a map that has gone go the weights that meet it, and maps that then nothing reads.

    It ends after the last turn, or with the first one after which the score on validation images is more than `budget`
    below that of the network before the step; what that turn did is undone. Every turn's network is a result of its
    own: that of the same step with so many turns.
    """

    boxes = BOXES
    catalogue = ("PR-25",)
    title = "Prune and fine-tune in a loop"
    paper = "Molchanov, Tyree, Karras, Aila, Kautz, ICLR 2017, figure 1"

    criterion: str = setting(
        "taylor-filter",
        "What ranks: feature maps by what they do to the loss (taylor-filter), their size (l1-filter, minimum-weight), "
        "their nearness to others (geometric-median), or how they answer (activation); or single weights (magnitude).",
        choices=("taylor-filter", "l1-filter", "minimum-weight", "geometric-median", "activation", "magnitude"),
    )
    share: float = setting(
        0.1,
        "Share of all maps, or weights, that goes in each turn.",
        unit="share",
        low=0.01,
        high=0.5,
        step=0.01,
    )
    turns: int = setting(5, "How many turns at most.", low=1, high=50, step=1)
    epochs: int = setting(1, "Passes over the training images in each turn.", low=1, high=50, step=1)
    learning_rate: float = setting(
        0.001, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )
    budget: float = setting(
        1.0, "How many points the score on validation images may fall, in all.", low=0.0, high=100.0, step=0.1
    )

    def stand_in(self) -> Layerwise | Calibrated:
        return self._cut(self.turns)

    def reached(self, count: int) -> Trained | None:
        return replace(self, turns=count - 1) if count > 1 else None

    def _cut(self, turn: int) -> Layerwise | Calibrated:
        chosen = METHODS[f"prune.{self.criterion}"]
        share = "sparsity" if "sparsity" in chosen.settings() else "share"
        method = chosen(**{share: min(self.share * turn, 1.0)})
        assert isinstance(method, Layerwise | Calibrated)
        return method

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        least = course.score(state) - self.budget / 100
        yield state
        wanted = (course.each((turn,)) for turn in range(1, self.turns + 1))  # none of them is left out by a trial
        for turn in chain.from_iterable(wanted):
            course.enter(RANK)
            cut, forms = self._cut(turn), {name: state.forms[name] for name in layers}
            evidence = course.evidence(state)
            decisions = cut.settle(forms, evidence) if isinstance(cut, Calibrated) else cut.settle(forms)
            course.enter(REMOVE)
            state = state.with_forms({name: cut.compress(form, decisions[name]) for name, form in forms.items()})
            if isinstance(cut, Calibrated):
                state = state.with_rest(cut.beside(state.model.rest, decisions))
                state = slimmer(state, state.forms, course.evidence(state))
            course.enter(TUNE)
            state = retrained(
                state, course, turn, self.turns, epochs=self.epochs, seed=self.seed, learning_rate=self.learning_rate
            )
            course.enter(DECIDE)
            if course.score(state) < least:
                return
            yield state
