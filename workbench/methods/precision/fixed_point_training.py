"""Training in fixed point: weights, biases, activations, errors and updates of 16 bits or fewer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods.precision._emulated import Arithmetic, Role
from workbench.methods.precision._grids import Fixed
from workbench.methods.precision._training import Begin, begin_setting, rate_setting, trained
from workbench.weights.levels.fixed_point import FixedPoint as Levels

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class FixedPointTraining(Trained):
    """Every tensor lies on ⟨IL, FL⟩ at every step and saturates; products are summed wide and rounded once.

    What enters and leaves a layer, and the errors there, have bits before the point of their own: scores saturate where
    they share the two of the weights. Gradient descent without momentum; an update, too, is rounded, then added. With a
    copy the parameters and their updates are float32, and what the products see of them is rounded: the remedy where
    updates are smaller than half a step. Emulated on float64: it shows what is learnt, never how fast.
    """

    catalogue = ("NP-01", "NP-02", "NP-03", "NP-08", "NP-12", "GU-10")
    title = "Training in fixed point"
    paper = "Gupta, Agrawal, Gopalakrishnan, Narayanan, Deep learning with limited numerical precision, 2015, section 3"

    bits: int = setting(16, "Width of every number, IL + FL.", unit="bits", low=4, high=16, step=1)
    integer: int = setting(
        2,
        "Bits before the point of parameters and updates, the sign included (IL).",
        unit="bits",
        low=1,
        high=8,
        step=1,
    )
    outputs: int = setting(
        6,
        "Bits before the point of activations and errors; no more than the width.",
        unit="bits",
        low=1,
        high=12,
        step=1,
    )
    rounding: Literal["stochastic", "nearest"] = setting(
        "stochastic",
        "What becomes of a number between two of the grid: the nearer, or one of both by chance.",
        choices=("stochastic", "nearest"),
    )
    copy: Literal["none", "float32"] = setting(
        "none",
        "Whether parameters are kept in full precision beside the rounded ones, to be updated.",
        choices=("none", "float32"),
    )
    begin: Begin = begin_setting()  # noqa: RUF009 (a field, like `setting`)
    learning_rate: float = rate_setting()
    epochs: int = setting(5, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.not_unrolled

    def stand_in(self) -> Layerwise:
        chosen = {"bits": self.bits, "integer": self.integer}
        return cast(Layerwise, METHODS["precision.fixed-point"](**chosen))

    def arithmetic(self) -> Arithmetic:
        """Of every tensor."""
        weights, others = self._fixed(self.integer), self._fixed(self.outputs)
        grids: dict[Role, Fixed] = dict.fromkeys(("input", "output", "error", "passed error"), others)
        grids |= dict.fromkeys(("weight", "bias"), weights)
        if self.copy == "none":
            grids |= dict.fromkeys(("stored", "update"), weights)
        by_chance: tuple[Role, ...] = ("input", "output", "error", "passed error", "update")
        drawn = frozenset(by_chance if self.rounding == "stochastic" else ())
        return Arithmetic(lambda name, role: grids.get(role), drawn)

    def _fixed(self, integer: int) -> Fixed:
        before = min(integer, self.bits)
        return Fixed(before, self.bits - before)

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        state, _ = trained(
            state, layers, course, self.arithmetic(), self.name,
            begin=self.begin, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed,
        )  # fmt: skip
        entering = self._fixed(self.outputs)
        levels = Levels(entering.integer, entering.fraction)
        rounded = self.stand_in().apply({name: state.forms[name] for name in layers})
        yield state.with_forms({name: form.with_entering(levels) for name, form in rounded.items()})
