"""Sparse networks from denser ones: one more layer is sparsified by neural correlation, and all are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from workbench.method import METHODS, Calibrated, Course, Trained, setting
from workbench.methods._retrained import retrained

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class RetrainedCorrelation(Trained):
    """Round by round one layer more, from the last to the first, loses its weights of lowest |r|; all are trained on.

    Every round begins with the weights of the denser network before it, which the paper finds to be decisive, and |r|
    is that of the network as it has become (see `prune.correlation`). What is zero stays zero. Whether that is better
    than the same mask trained from scratch for as long is undecided on 3,000 digits (docs/measured.md).
    """

    catalogue = ("PR-23", "TT-05")
    title = "Neural correlation with retraining"
    paper = "Sun, Wang, Tang, Sparsifying neural network connections for face recognition, CVPR 2016, table 2"

    sparsity: float = setting(
        0.9, "Share of each layer's weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01
    )
    scope: Literal["layer", "output"] = setting(
        "output",
        "Rank all weights of a layer (layer), or give every output of it the same share of zeros (output).",
        choices=("layer", "output"),
    )
    epochs: int = setting(2, "Passes over the training images in each round.", low=1, high=50, step=1)
    learning_rate: float = setting(
        0.003, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return self.stand_in().refusal(form, layout)

    def stand_in(self) -> Calibrated:
        chosen = {"sparsity": self.sparsity, "scope": self.scope}
        return cast(Calibrated, METHODS["prune.correlation"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        cut = self.stand_in()
        for number, name in enumerate(reversed(layers), 1):
            form = state.forms[name]
            decision = cut.settle({name: form}, course.evidence(state))[name]
            state = state.with_forms({name: cut.compress(form, decision)})
            state = retrained(
                state,
                course,
                number,
                len(layers),
                epochs=self.epochs,
                seed=self.seed,
                learning_rate=self.learning_rate,
            )
        yield state
