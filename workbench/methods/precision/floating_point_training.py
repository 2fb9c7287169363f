"""Training in 8-bit floating point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods.precision._emulated import Arithmetic, Role, RoundedSums
from workbench.methods.precision._grids import Floating
from workbench.methods.precision._training import Begin, begin_setting, rate_setting, trained
from workbench.weights.levels.floating_point import FloatingPoint as Levels

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form

FP8, FP16 = Floating(5, 2), Floating(6, 9)
_OPERANDS: tuple[Role, ...] = ("weight", "input", "error")


@dataclass(frozen=True)
class FloatingPointTraining(Trained):
    """What products multiply is (1, 5, 2), in all three products of a layer; what they sum is (1, 6, 9), in chunks.

    Each product and each sum is rounded to nearest; parameters are (1, 6, 9) and updated by stochastic rounding. The
    last layer multiplies (1, 6, 9), and so does the first one its inputs: section 4 of the paper. Errors are those of
    the loss summed over a batch, which does what its scaling of the loss does. Emulated: it shows what is learnt.
    """

    catalogue = ("NP-06",)
    title = "Training in 8-bit floating point"
    paper = "Wang, Choi, Brand, Chen, Gopalakrishnan, Training deep neural networks with 8-bit floating point, 2018, 3"

    chunk: int = setting(
        64, "Products that are summed on their own before their sum is added.", low=1, high=4096, step=1
    )
    begin: Begin = begin_setting()  # noqa: RUF009 (a field, like `setting`)
    learning_rate: float = rate_setting()
    epochs: int = setting(5, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.kind == "conv1d" or layout.groups > 1:
            return "is a 1-D or a grouped convolution, whose sums are not emulated"
        return layout.not_unrolled

    def stand_in(self) -> Layerwise:
        chosen = {"format": "1-5-2"}
        return cast(Layerwise, METHODS["precision.floating-point"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        layouts = {layer.name: state.model.layout(layer) for layer in state.model.layers}

        def operand(name: str, role: Role) -> Floating:
            layout = layouts.get(name.removesuffix(".weight"))
            wide = layout is not None and (layout.output or (layout.first and role == "input"))
            return FP16 if wide else FP8

        def grid(name: str, role: Role) -> Floating:
            return operand(name, role) if role in _OPERANDS else FP16

        sums = RoundedSums(FP16.exponent, FP16.mantissa, self.chunk)
        state, _ = trained(
            state, layers, course, Arithmetic(grid, frozenset(("stored", "update")), sums), self.name,
            begin=self.begin, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed,
        )  # fmt: skip
        forms = {}
        for name in layers:
            weight, entering = (operand(name, role) for role in ("weight", "input"))
            levels = Levels(weight.exponent, weight.mantissa)
            parts = [part.rounded(levels) for part in state.forms[name].parts]
            rounded = Levels(entering.exponent, entering.mantissa)
            forms[name] = state.forms[name].with_parts(parts).with_entering(rounded)
        yield state.with_forms(forms)
