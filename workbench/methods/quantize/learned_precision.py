"""Learned precision: how many bits each single weight has is trained beside the weight itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._parametrised import parametrised
from workbench.weights.levels.widths_per_weight import WIDEST, WidthsPerWeight

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.arrangement import Arrangement
    from workbench.network.state import Held, State
    from workbench.weights.form import Form
    from workbench.weights.part import Part

_BITS_A_UNIT = 120.0  # of what the optimiser changes, whose steps are as small as those of weights
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class LearnedPrecision(Trained):
    """Weight i is rounded to 2^b_i even pieces of its layer's range, b_i a real number that gradients change.

    A step of Δ_i = 2 · reach · 2^−b_i has ∂ŵ/∂b = −ln 2 · (ŵ − w), as a step size that is learned has it (Esser et al.
    2020), so that b grows where errors cost much. What all b would gain together is taken off their gradients: their
    mean stays at `bits`, which is the penalty on bits with its price found on the way. Both passes use each b as a
    whole number from 0 to 8; 0 bits are a zero. The file says each weight's width in four bits, which costs more than
    widths of so many values save. Shadows of weights and widths are full precision; zeros stay zero and take no bits.
    """

    catalogue = ("QU-13",)
    title = "Precision learned per connection"
    paper = "proposed in Goel, Tung, Lu, Thiruvathukal 2020, II-A; step sizes as in Esser et al., LSQ, ICLR 2020"

    bits: int = setting(
        3, "Mean width of the weights that are not zero.", unit="bits", low=1, high=8, step=1, axis="bits"
    )
    epochs: int = setting(5, "Passes over the training images.", low=1, high=50, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.tied:
            return "shares its weight with another module, which widths of its own would untie"
        return None if layout.called else "has no call of its own, in which its rounded weight could be trained"

    def stand_in(self) -> Layerwise:
        chosen = {"bits": self.bits, "per": "tensor"}
        return cast(Layerwise, METHODS["quantize.uniform"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        others = {name: form for name, form in state.forms.items() if name not in layers}
        module = state.module()
        hold = state.holding(module, others)
        learned: dict[tuple[str, int], Widths] = {}

        def made(held: Held) -> Widths:
            learned[held.layer, held.factor] = Widths(held.part.values, held.arrangement, self.bits)
            return learned[held.layer, held.factor]

        places = state.held(module, layers)
        end = parametrised(module, state, layers, made)
        shadows = [cast(Any, place.owner).parametrizations[place.leaf].original1 for place in places]
        alive = [one.alive for one in learned.values()]

        def keep_mean(step: object) -> None:
            hold()
            shift_to(shadows, alive, self.bits / _BITS_A_UNIT, WIDEST / _BITS_A_UNIT)

        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=5e-4,
            seed=self.seed,
            before_step=lambda: balance(shadows, alive),
            after_step=keep_mean,
            last=True,
        )
        end()
        trained = state.trained(module).with_forms(others)
        yield trained.with_forms({name: self._form(name, trained.forms[name], learned) for name in layers})

    def _form(self, name: str, form: Form, learned: dict[tuple[str, int], Widths]) -> Form:
        return form.with_parts(
            [part.rounded(learned[name, place].levels(part)) for place, part in enumerate(form.parts)]
        )

    def remark(self, before: Form, after: Form) -> str | None:
        found = [part.levels.widths for part in after.parts if isinstance(part.levels, WidthsPerWeight)]
        if not found:
            return None
        widths = np.concatenate([one.ravel() for one in found])
        return f"{widths.mean():.2f} bits a weight on average, and four more in the file that say how many."


def balance(shadows: list[nn.Parameter], alive: list[Tensor]) -> None:
    """Take off the gradients by the widths what they have in common, so that none of it changes their mean."""
    with torch.no_grad():
        count = sum(float(one.sum()) for one in alive)
        gradients = [cast(Tensor, shadow.grad) * one for shadow, one in zip(shadows, alive, strict=True)]
        mean = sum(float(one.sum()) for one in gradients) / max(count, 1.0)
        for shadow, gradient, one in zip(shadows, gradients, alive, strict=True):
            shadow.grad = gradient - mean * one


def shift_to(shadows: list[nn.Parameter], alive: list[Tensor], mean: float, most: float) -> None:
    """Move all widths alike until their mean is that, none of them less than 0 or more than `most`."""
    with torch.no_grad():
        count = sum(float(one.sum()) for one in alive)
        for _ in range(8):  # what meets an end leaves some for the others
            missing = mean - sum(float((shadow * one).sum()) for shadow, one in zip(shadows, alive, strict=True)) / max(
                count, 1.0
            )
            for shadow in shadows:
                shadow.add_(missing).clamp_(0.0, most)


class Widths(nn.Module):
    """A weight whose entries are rounded to so many bits as each has; both are trained.

    alive: 1 where the weight is not zero.
    """

    def __init__(self, values: NDArray[np.float32], arrangement: Arrangement, bits: int) -> None:
        super().__init__()
        self._arrangement, self._bits, self._shape = arrangement, bits, values.shape
        self._reach = max(float(np.abs(values).max(initial=0.0)), _TINY)
        self.alive = torch.from_numpy(arrangement.tensor((values != 0).astype(np.float32)).copy())
        self._widths = np.zeros(values.shape)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weight, torch.full(weight.shape, self._bits / _BITS_A_UNIT) * self.alive

    def forward(self, weight: Tensor, shadow: Tensor) -> Tensor:
        real = shadow * _BITS_A_UNIT * self.alive
        widths = real + (real.round() - real).detach()  # as they are kept; gradients go straight through
        self._widths = np.ascontiguousarray(self._arrangement.weight(widths.detach().numpy()))
        return cast(Tensor, _Rounded.apply(weight, widths, self._reach)) * self.alive

    def levels(self, part: Part) -> WidthsPerWeight:
        """On which the weight is kept: widths as whole numbers."""
        widths = np.clip(np.rint(self._widths), 0, WIDEST).astype(np.uint8)
        return WidthsPerWeight(part.shape, widths, float(np.float32(self._reach)))


class _Rounded(torch.autograd.Function):
    """Middles of 2^b pieces of [−reach, reach] for real b; gradients straight through by w, −ln 2 · (ŵ − w) by b."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, widths: Tensor, reach: float) -> Tensor:
        step = 2 * reach * torch.exp2(-widths)
        inside = weight.clamp(-reach, reach)
        pieces = torch.exp2(widths)
        place = torch.minimum(torch.floor((inside + reach) / step), torch.ceil(pieces) - 1)
        rounded = torch.where(widths > 0, (step * (place + 0.5) - reach).clamp(-reach, reach), 0.0)
        ctx.save_for_backward(rounded - weight)
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (error,) = ctx.saved_tensors
        return gradients[0], -math.log(2) * gradients[0] * error, None
