"""Training whose products multiply few bits and whose updates add some more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods.precision._emulated import Arithmetic, Emulation, Role
from workbench.methods.precision._grids import Fixed, Grid, Shared
from workbench.methods.precision._training import Begin, begin_setting, rate_setting, trained
from workbench.weights.levels.fixed_point import FixedPoint as Levels

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form

_GLOBAL = 5  # bits before the point of every tensor, where all have the same
_UPDATES: tuple[Role, ...] = ("stored", "update")


@dataclass(frozen=True)
class LowPrecisionMultiplications(Trained):
    """Weights, activations, errors and gradients of few bits in the products; parameters and updates of more.

    Dynamic fixed point: each of these tensors of each layer has an exponent of its own, which moves when more numbers
    than the paper's share overflow, or fewer would at half the range. Fixed point: five bits before the point of all.
    Sums are wide, rounding is to nearest. Emulated on float64: it shows what is learnt, never how fast.
    """

    catalogue = ("NP-04", "NP-05", "NP-09")
    title = "Training with low-precision multiplications"
    paper = "Courbariaux, Bengio, David, Training deep neural networks with low precision multiplications, 2015, 4 to 8"

    format: Literal["dynamic", "fixed"] = setting(
        "dynamic",
        "One exponent a tensor, which follows its range, or one for all.",
        choices=("dynamic", "fixed"),
    )
    products: int = setting(10, "Width of what products multiply.", unit="bits", low=6, high=16, step=1)
    updates: int = setting(12, "Width of parameters and of their updates.", unit="bits", low=6, high=24, step=1)
    overflow: float = setting(
        0.0001, "Share of a tensor's numbers that may overflow.", unit="share", low=0.0, high=0.1, step=0.0001
    )
    begin: Begin = begin_setting()  # noqa: RUF009 (a field, like `setting`)
    learning_rate: float = rate_setting()
    epochs: int = setting(5, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.not_unrolled

    def stand_in(self) -> Layerwise:
        if self.format == "dynamic":
            chosen: dict[str, float] = {"bits": self.products, "overflow": self.overflow}
            return cast(Layerwise, METHODS["precision.dynamic-fixed-point"](**chosen))
        chosen = {"bits": self.products, "integer": _GLOBAL}
        return cast(Layerwise, METHODS["precision.fixed-point"](**chosen))

    def arithmetic(self) -> Arithmetic:
        """Of every tensor."""

        def grid(name: str, role: Role) -> Grid:
            bits = self.updates if role in _UPDATES else self.products
            return Shared(bits, self.overflow) if self.format == "dynamic" else Fixed(_GLOBAL, bits - _GLOBAL)

        return Arithmetic(grid)

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        state, emulation = trained(
            state, layers, course, self.arithmetic(), self.name,
            begin=self.begin, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed,
        )  # fmt: skip
        forms = {}
        for name in layers:
            form = state.forms[name]
            owners = [f"{name}.{place}" for place in range(len(form.factors))] if form.factored else [name]
            weights = [self._levels(emulation, f"{owner}.weight", "weight") for owner in owners]
            parts = [part.rounded(levels) for part, levels in zip(form.parts, weights, strict=True)]
            forms[name] = form.with_parts(parts).with_entering(self._levels(emulation, owners[0], "input"))
        yield state.with_forms(forms)

    def _levels(self, emulation: Emulation, name: str, role: Role) -> Levels:
        found = emulation.grid(name, role)
        if isinstance(found, Shared):
            found = found.grid
        assert isinstance(found, Fixed)
        return Levels(found.integer, found.fraction)
