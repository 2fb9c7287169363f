"""Fine-tuning: training of what the steps before have left, with whatever keeps it from learning by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import RecipeError
from workbench.method import Course, Trained, TrainingStep, setting

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class FineTuning(Trained):
    """Zeros stay zero and factors stay factors; weights that are left, biases and batch norms are trained on.

    Three ways to hold back a network that would learn its images by heart: weight decay (AdamW's); dropout of what the
    linear layers give, all but the last, by chance alone or less of excited units (standout: a unit that is given z is
    kept with the probability σ(αz + β), β from the share); and stochastic depth, where p_L is how likely the last
    residual block is to be kept in a batch. Layers that the step is not for keep their weights.
    """

    catalogue = ("HA-04", "TT-01", "TT-02", "TT-04")
    title = "Fine-tuning"
    paper = "Han, Pool, Tran, Dally, Learning both Weights and Connections, NeurIPS 2015, sections 3.2 and 3.3"

    epochs: int = setting(3, "Passes over the training images.", low=1, high=200, step=1)
    learning_rate: float = setting(
        0.001, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )
    weight_decay: float = setting(
        0.0001, "Share of a weight that goes in a step, for a learning rate of 1.", low=0.0, high=10.0, step=0.0001
    )
    dropout: float = setting(
        0.0,
        "Share of what each linear layer but the last gives that is zero in training.",
        unit="share",
        low=0.0,
        high=0.9,
        step=0.05,
    )
    standout: float = setting(
        0.0,
        "α of adaptive dropout: how much less likely a unit is dropped, the more it is excited; 0 by chance alone.",
        low=0.0,
        high=10.0,
        step=0.1,
    )
    depth: float = setting(
        1.0,
        "p_L of stochastic depth: how often the last residual block is run in training, the ones before it more often.",
        unit="share",
        low=0.1,
        high=1.0,
        step=0.05,
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if any(part.levels for part in form.parts):
            return "has few levels, which training would leave; quantisation-aware training keeps to them"
        return None

    def stand_in(self) -> None:
        """Until it is trained the network stays as it is."""

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        module = state.module()
        others = {name: form for name, form in state.forms.items() if name not in layers}
        hold_zeros, hold_others = state.holding_zeros(module), state.holding(module, others)

        def hold(step: TrainingStep) -> None:
            hold_zeros()
            hold_others()

        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
            weight_decay=self.weight_decay,
            dropout=dict.fromkeys(self._dropping(state), self.dropout) if self.dropout else {},
            standout=self.standout,
            depth=self.depth,
            after_step=hold,
        )
        yield state.trained(module).with_forms(others)

    def _dropping(self, state: State) -> list[str]:
        """The linear layers but those that give the scores. Raises RecipeError where there is none."""
        layouts = {layer.name: state.model.layout(layer) for layer in state.model.layers}
        found = [
            name
            for name, one in layouts.items()
            if one.kind == "linear" and one.called and not one.output and not one.exit
        ]
        if not found:
            raise RecipeError(
                f"{self.name}: dropout zeroes what linear layers give, and {state.model.name} has none but the last."
            )
        return found
