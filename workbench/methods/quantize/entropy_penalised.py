"""Entropy-penalised training: what the codes of the weights take in the file is a part of the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from workbench.method import METHODS, Calibrated, Course, Layerwise, Trained, TrainingStep, setting
from workbench.methods._parametrised import parametrised
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.part import Part

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import Held, State
    from workbench.weights.form import Form

_OFTEN = 10  # steps after which lengths follow the weights
_RISES = 0.5  # share of the training in which the price rises to what it is
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class EntropyPenalised(Trained):
    """loss + price · length, where a weight is a whole number of steps and its length that of the number's code.

    w = Δ · round(s), its gradient straight through the rounding; Δ is one number a tensor. The length of s lies on the
    straight line between those of the whole numbers beside it, −log₂ of their shares among the tensor's weights as they
    are by then. So a step towards the more frequent number pays, the more so the rarer the other one is, and zeros come
    about by themselves. The price rises in the first half of the training. Weights that are zero stay zero. The paper
    learns the distributions, and a decoder from latent numbers to weights; here the shares are counted, and the decoder
    is the step alone. Codes go through an entropy coder.
    """

    catalogue = ("QU-05", "QU-14")
    title = "Entropy-penalised training"
    paper = "Oktay, Ballé, Singh, Shrivastava, Scalable model compression by entropy penalized reparameterization, 2020"

    price: float = setting(
        0.01, "What a kB of codes costs, in the units of the loss.", unit="per kB", low=0.0, high=10.0, step=0.001
    )
    bits: int = setting(4, "Width of a code, which bounds the whole numbers.", unit="bits", low=2, high=8, step=1)
    step: float = setting(
        1.0, "Δ, as a share of the deviation of the tensor's weights.", unit="share", low=0.1, high=3.0, step=0.05
    )
    epochs: int = setting(10, "Passes over the training images.", low=1, high=200, step=1)
    learning_rate: float = setting(
        0.001, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.tied:
            return "shares its weight with another module, which one grid would untie"
        return None if layout.called else "has no call of its own, in which its rounded weight could be trained"

    def stand_in(self) -> Calibrated:
        chosen = {"bits": min(self.bits, 6)}
        return cast(Calibrated, METHODS["quantize.entropy-constrained"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        others = {name: form for name, form in state.forms.items() if name not in layers}
        module = state.module()
        hold = state.holding(module, others)
        priced: dict[tuple[str, int], Priced] = {}
        paid = [0.0]  # of the price, by now

        def made(held: Held) -> Priced:
            weight = torch.from_numpy(held.arrangement.tensor(held.part.values).copy())
            priced[held.layer, held.factor] = Priced(weight, self.bits, self.step)
            return priced[held.layer, held.factor]

        end = parametrised(module, state, layers, made)

        def before_step() -> None:
            for one in priced.values():
                one.charge(self.price * paid[0])

        def after_step(step: TrainingStep) -> None:
            hold()
            paid[0] = min(1.0, (step.number + 1) / max(1, _RISES * step.count))
            if (step.number + 1) % _OFTEN == 0:
                for one in priced.values():
                    one.count()

        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
            weight_decay=0.0,
            before_step=before_step,
            after_step=after_step,
            last=True,
        )
        end()
        trained = state.trained(module).with_forms(others)
        forms = {
            name: trained.forms[name].with_parts(
                [priced[name, place].part(part) for place, part in enumerate(trained.forms[name].parts)]
            )
            for name in layers
        }
        coder = cast(Layerwise, METHODS["coding.entropy"]())
        yield trained.with_forms(coder.apply(forms))


class Priced(nn.Module):
    """A weight on a grid of its own, whose codes have lengths.

    As torch's parametrisation of a weight it is made from one of the same shape, which need not be on the grid.
    """

    def __init__(self, weight: Tensor, bits: int, step: float) -> None:
        super().__init__()
        self._bits, self._most = bits, 2 ** (bits - 1) - 1
        self._alive = (weight != 0).to(weight.dtype)
        alive = weight[weight != 0]
        deviation = float(alive.pow(2).mean().sqrt()) if alive.numel() else 0.0
        self._scale = max(float(np.float32(step * deviation)), _TINY)
        self._latent = weight
        self._lengths = torch.zeros(2 * self._most + 1)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight.clone()

    def forward(self, latent: Tensor) -> Tensor:
        self._latent = latent
        number = (latent / self._scale).round().clamp(-self._most, self._most)
        return latent * self._alive + (number * self._scale * self._alive - latent * self._alive).detach()

    @torch.no_grad()
    def count(self) -> None:
        """Lengths follow the numbers as they are: −log₂ of each one's share, one more than there are of each."""
        numbers = (self._latent * self._alive / self._scale).round().clamp(-self._most, self._most)
        found = torch.bincount((numbers + self._most).long().reshape(-1), minlength=2 * self._most + 1) + 1.0
        self._lengths = (found.sum() / found).log2()

    @torch.no_grad()
    def charge(self, price: float) -> None:
        """Add the gradient of `price`, the cost of 8,000 bits, times the length to the latent weight's."""
        if not isinstance(self._latent, nn.Parameter) or self._latent.grad is None or not price:
            return
        number = self._latent / self._scale
        below = (number + self._most).floor().clamp(0, 2 * self._most - 1).long()
        slope = (self._lengths[below + 1] - self._lengths[below]) / self._scale
        self._latent.grad += price / 8000 * slope * (number.abs() < self._most) * self._alive

    def part(self, trained: Part) -> Part:
        """The weight on its grid. trained: its values."""
        numbers = np.rint(trained.values / np.float32(self._scale))
        levels = Affine(
            self._bits,
            Grouping("tensor"),
            np.full(1, self._scale, np.float32),
            np.full(1, symmetric_zero_point(self._bits), np.float32),
            symmetric=True,
        )
        return Part.on_levels(levels, (numbers + self._most).astype(np.uint8), trained.values == 0)
