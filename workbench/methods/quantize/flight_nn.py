"""FLightNN: how many powers of two each filter has is learned, by thresholds on what the terms before have left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._parametrised import parametrised
from workbench.methods.quantize._shifts import rounded, said
from workbench.weights.levels.powers_of_two import PowersOfTwo

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.arrangement import Arrangement
    from workbench.network.state import Held, State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class FLightNN(Trained):
    """Q(w_i) = Σ_j 1(‖r_ij‖₂ > t_j) R(r_ij) of each filter i, thresholds t_j of a layer learned beside its weights.

    r_i0 = w_i, r_i,j+1 is what is left after a term that was taken. The gradient by w goes straight through R, and by
    t_j through σ(‖r_ij‖ / m − t_j) in the place of the step, m the layer's mean ‖w_i‖ as the training begins; full-
    precision shadows of weights and thresholds are what is updated. The penalty λ Σ_j Σ_i ‖r_ij‖₂ draws filters towards
    numbers of few terms. A file holds each filter's terms and their number.
    """

    catalogue = ("QU-09",)
    title = "FLightNN"
    paper = "Ding, Liu, Chin, Blanton, Marculescu, FLightNNs, DAC 2019, section 3"

    terms: int = setting(2, "How many signed powers of two a weight has at most.", unit="terms", low=1, high=3, step=1)
    threshold: float = setting(
        0.15, "The thresholds that training begins with, as shares of the layer's mean filter.", unit="share", low=0.0,
        high=4.0, step=0.005,
    )  # fmt: skip
    penalty: float = setting(
        0.00001, "λ: what the length of all that is left of the filters adds to the loss.", low=0.0, high=0.1,
        step=0.00001,
    )  # fmt: skip
    epochs: int = setting(5, "Passes over the training images.", low=1, high=50, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.tied:
            return "shares its weight with another module, which thresholds of its own would untie"
        return None if layout.called else "has no call of its own, in which its rounded weight could be trained"

    def stand_in(self) -> Layerwise:
        chosen = {"terms": self.terms, "threshold": self.threshold}
        return cast(Layerwise, METHODS["quantize.shifts-per-filter"](**chosen))

    def remark(self, before: Form, after: Form) -> str | None:
        return said(after)

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        others = {name: form for name, form in state.forms.items() if name not in layers}
        module = state.module()
        hold = state.holding(module, others)
        gates: dict[tuple[str, int], Gated] = {}

        def made(held: Held) -> Gated:
            gates[held.layer, held.factor] = Gated(held.part.values, held.arrangement, self.terms, self.threshold)
            return gates[held.layer, held.factor]

        places = state.held(module, layers)
        end = parametrised(module, state, layers, made)
        shadows = [getattr(place.owner, "parametrizations")[place.leaf].original0 for place in places]  # noqa: B009
        penalised = list(zip(gates.values(), shadows, strict=True))
        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=5e-4,
            seed=self.seed,
            before_step=lambda: _penalise(penalised, self.penalty),
            after_step=lambda step: hold(),
        )
        end()
        trained = state.trained(module).with_forms(others)
        yield trained.with_forms(
            {
                name: rounded(trained.forms[name], [gates[name, place].found for place in range(len(form.parts))])
                for name, form in state.forms.items()
                if name in layers
            }
        )


def _penalise(gates: list[tuple[Gated, nn.Parameter]], penalty: float) -> None:
    """Add λ ∂(Σ_ij ‖r_ij‖) / ∂w, the sum of unit vectors along what is left, to each gradient."""
    with torch.no_grad():
        for gate, shadow in gates:
            if shadow.grad is not None:
                shadow.grad.add_(gate.pull, alpha=penalty)


class Gated(nn.Module):
    """A weight as sums of powers of two, each filter with the terms that its thresholds let through.

    found: uint8 [filters], how many these were in the last pass. pull: ∂(Σ_ij ‖r_ij‖) / ∂w, of the weight's shape.
    """

    def __init__(self, values: NDArray[np.float32], arrangement: Arrangement, terms: int, threshold: float) -> None:
        super().__init__()
        self._arrangement, self._most, self._threshold = arrangement, terms, threshold
        norms = np.linalg.norm(values.reshape(values.shape[0], -1), axis=1)
        self._mean = float(norms.mean()) if norms.any() else 1.0
        self._alive = torch.from_numpy(arrangement.tensor((values != 0).astype(np.float32)).copy())
        self.found = np.zeros(values.shape[0], np.uint8)
        self.pull = torch.zeros(0)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weight, torch.full((self._most,), self._threshold)

    def forward(self, weight: Tensor, thresholds: Tensor) -> Tensor:
        weight = weight * self._alive  # zeros stay, and learn nothing
        shaped = self._arrangement.weight(weight.detach().numpy())
        left = shaped.reshape(shaped.shape[0], -1).astype(np.float64)
        powers, total = PowersOfTwo.over(shaped, 1), np.zeros_like(left)
        found, pull = np.zeros(len(left), np.uint8), np.zeros_like(left)
        surrogate = torch.zeros(())
        for threshold in thresholds:
            norms = np.linalg.norm(left, axis=1)
            pull += left / np.maximum(norms, 1e-12)[:, None]
            term, through = powers.values[powers.term(left)], norms > float(threshold.detach()) * self._mean
            soft = torch.sigmoid(torch.from_numpy((norms / self._mean).astype(np.float32)) - threshold)
            step = (soft - soft.detach())[:, None] * torch.from_numpy(term.astype(np.float32))
            surrogate = surrogate + step
            taken = np.where(through[:, None], term, 0.0)
            total, left = total + taken, left - taken
            found += through.astype(np.uint8)
        self.found, self.pull = found, self._tensor(pull, shaped.shape)
        made = self._tensor(total, shaped.shape)
        straight = weight + (made - weight).detach()
        shaped_surrogate = surrogate.reshape(shaped.shape)
        return straight + cast(Tensor, self._arrangement.tensor(cast("NDArray[np.float32]", shaped_surrogate)))

    def _tensor(self, rows: NDArray[np.float64], shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(self._arrangement.tensor(rows.astype(np.float32).reshape(shape)).copy())
