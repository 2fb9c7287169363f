"""Backpropagation in 24-bit floating point, as signal processors of the 1980s had it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods.precision._emulated import Arithmetic, RoundedSums
from workbench.methods.precision._grids import Floating
from workbench.methods.precision._training import Begin, begin_setting, rate_setting, trained

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form

_MANTISSA = 15
_NUMBERS = Floating(8, _MANTISSA)


@dataclass(frozen=True)
class Floating24(Trained):
    """Every tensor, every product and every sum is (1, 8, 15): a sign, 8 bits of exponent, 15 of mantissa.

    The source names 24 bits and no split; this is float32 without its last eight. Numbers around 1 lie 2^−15 apart, so
    that a weight of 1 does not move by an update below 2^−16. Sums run in the order of the inputs. Emulated.
    """

    catalogue = ("NP-07",)
    title = "Backpropagation in 24-bit floating point"
    paper = "Iwata, Yoshida, Matsuda, Sato, Suzumura, An artificial neural network accelerator using DSPs, IJCNN 1989"

    begin: Begin = begin_setting()  # noqa: RUF009 (a field, like `setting`)
    learning_rate: float = rate_setting()
    epochs: int = setting(5, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.not_unrolled or ("is no matrix, and no image" if layout.kind == "conv1d" else _grouped(layout))

    def stand_in(self) -> Layerwise:
        chosen = {"mantissa": _MANTISSA}
        return cast(Layerwise, METHODS["precision.mantissa"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        sums = RoundedSums(_NUMBERS.exponent, _NUMBERS.mantissa, chunk=2**31)
        arithmetic = Arithmetic(lambda name, role: _NUMBERS, sums=sums)
        state, _ = trained(
            state, layers, course, arithmetic, self.name,
            begin=self.begin, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed,
        )  # fmt: skip
        yield state


def _grouped(layout: Layout) -> str | None:
    return "is a grouped convolution, whose sums are not emulated" if layout.groups > 1 else None
