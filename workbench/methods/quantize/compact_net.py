"""CompactNet: each filter learns with the fewest powers of two that a limit on accuracy leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from workbench.method import METHODS, Calibrated, Course, Layerwise, Trained, TrainingStep, setting
from workbench.methods._parametrised import parametrised
from workbench.methods._straight_through import used_as
from workbench.methods.quantize._shifts import Terms, fewest, rounding, said
from workbench.weights.levels.powers_per_filter import PowersPerFilter

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.arrangement import Arrangement
    from workbench.network.state import State
    from workbench.weights.form import Form

Hold = Callable[[TrainingStep], None]


@dataclass(frozen=True)
class CompactNet(Trained):
    """A network trained with `terms` powers of two a weight, whose filters are lowered while a limit holds.

    Three boxes: training with a full-precision shadow as LightNN does; lowering, the filters of least gained error
    first, while no more of the validation images become wrong than the limit allows, against the network before the
    step; and training on with each filter's number of terms as it is. Reconstructed from what surveys say of the paper.
    """

    catalogue = ("QU-08",)
    title = "CompactNet"
    paper = "Goel, Liu, Blanton, CompactNet, ICCAD 2018 (reconstructed, full text not read)"
    boxes = ("train", "lower", "train on")

    terms: int = setting(2, "How many signed powers of two a weight has at most.", unit="terms", low=1, high=3, step=1)
    points: float = setting(
        0.002, "Share of the validation images that may become wrong.", unit="share", low=0.0, high=0.1, step=0.001
    )
    epochs: int = setting(3, "Passes over the training images, before filters are lowered and after.", low=1, high=50,
        step=1)  # fmt: skip

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if layout.called else "has no call of its own, in which its rounded weight could be trained"

    def stand_in(self) -> Calibrated:
        chosen = {"terms": self.terms, "wrong": round(1000 * self.points)}
        return cast(Calibrated, METHODS["quantize.fewest-shifts"](**chosen))

    def remark(self, before: Form, after: Form) -> str | None:
        return said(after)

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        others = {name: form for name, form in state.forms.items() if name not in layers}
        limit = course.score(state) - self.points
        chosen = {"terms": self.terms}
        powers = cast(Layerwise, METHODS["quantize.light-nn"](**chosen))
        course.enter("train")
        module = state.module()
        hold = _holding(state, module, others)
        end = used_as(module, layers, powers)
        self._fit(module, hold, course, (0.0, 0.5))
        end()
        state = state.trained(module).with_forms(others)
        course.enter("lower")

        parts = {(name, place): part.values for name in layers for place, part in enumerate(state.forms[name].parts)}
        made = rounding({name: state.forms[name] for name in layers})
        terms = fewest(parts, self.terms, lambda asked: course.score(state.with_forms(made(asked))) >= limit - 1e-9)
        lowered = state.with_forms(made(terms))
        yield lowered
        course.enter("train on")
        module = state.module()
        hold = _holding(state, module, others)
        end = parametrised(
            module, state, layers, lambda held: _Rounded(terms[held.layer, held.factor], held.arrangement)
        )
        self._fit(module, hold, course, (0.5, 1.0))
        end()
        state = state.trained(module).with_forms(others)
        learned = state.with_forms(rounding({name: state.forms[name] for name in layers})(terms))
        yield max((learned, lowered), key=course.score)

    def _fit(self, module: nn.Module, hold: Hold, course: Course, share: tuple[float, float]) -> None:
        course.fit(module, epochs=self.epochs, learning_rate=5e-4, seed=self.seed, share=share, after_step=hold)


def _holding(state: State, module: nn.Module, others: Mapping[str, Form]) -> Hold:
    """What keeps zeros, and the layers that the step is not for."""
    zeros, weights = state.holding_zeros(module), state.holding(module, others)

    def hold(step: TrainingStep) -> None:
        zeros()
        weights()

    return hold


class _Rounded(nn.Module):
    """A weight as sums of powers of two, so many of each filter; its gradient goes straight through."""

    def __init__(self, terms: Terms, arrangement: Arrangement) -> None:
        super().__init__()
        self._terms, self._arrangement = terms, arrangement

    def forward(self, weight: Tensor) -> Tensor:
        values = np.ascontiguousarray(self._arrangement.weight(weight.detach().numpy()))
        made = self._arrangement.tensor(PowersPerFilter.over(values, self._terms).nearest(values, None))
        return weight + (torch.from_numpy(made.copy()) - weight).detach()
