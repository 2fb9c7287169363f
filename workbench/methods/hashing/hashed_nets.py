"""HashedNets: a hash of its place says which shared value a weight takes; the shared values are what is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._gathered import gathered
from workbench.methods._parametrised import parametrised
from workbench.weights.levels.hashed import Hashed, hashes

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import Held, State
    from workbench.weights.arrays import Floats
    from workbench.weights.form import Form
    from workbench.weights.part import Part


@dataclass(frozen=True)
class HashedNets(Trained):
    """K = round(share · n) values a tensor: w[i] = ξ(i) · shared[h(i)], and only they are trained and kept.

    The gradient of a shared value is the sum of ξ · ∂L/∂w over its bucket (equation 12). They begin as they are drawn,
    with the spread that torch draws a layer's weights with; or as the projection of the weights that there are,
    stretched to the spread of these, for means over buckets are smaller. Biases and batch norms are trained on from
    where they stand; layers that the step is not for keep their weights. Shared values have no weight decay.
    """

    catalogue = ("HA-01",)
    title = "HashedNets"
    paper = "Chen, Wilson, Tyree, Weinberger, Chen, Compressing neural networks with the hashing trick, ICML 2015, 4"

    share: float = setting(
        0.125, "Shared values for each weight of the layer.", unit="share", low=0.01, high=1.0, step=0.01
    )
    start: Literal["drawn", "projection"] = setting(
        "drawn",
        "Where shared values begin: drawn anew (drawn), or at the means of the weights that share them (projection).",
        choices=("drawn", "projection"),
    )
    epochs: int = setting(8, "Passes over the training images.", low=1, high=100, step=1)
    learning_rate: float = setting(
        0.003, "What a step of training moves a shared value by, at most.", low=0.0001, high=0.1, step=0.0001
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if not form.weights:
            return "holds no weight"
        return "shares its weight with another module, which training would untie" if layout.tied else None

    def stand_in(self) -> Layerwise:
        chosen = {"share": self.share, "seed": self.seed}
        return cast(Layerwise, METHODS["hashing.projection"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        others = {name: form for name, form in state.forms.items() if name not in layers}
        module, random = state.module(), np.random.default_rng(self.seed)
        hold = state.holding(module, others)
        end = parametrised(module, state, layers, lambda held: SharedValues(self.first(held.part, random), held))
        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
            after_step=lambda step: hold(),
        )
        end()
        trained = state.trained(module).with_forms(others)
        # What shares values already is its own projection, to the last bit: so the shared values are found again.
        yield trained.with_forms(self.stand_in().apply({name: trained.forms[name] for name in layers}))

    def first(self, part: Part, random: np.random.Generator) -> Hashed:
        """The levels that training begins with."""
        buckets = max(1, round(self.share * part.size))
        if self.start == "drawn":
            reach = 1 / math.sqrt(max(math.prod(part.shape[1:]), 1))  # as torch draws the weights of a layer
            return Hashed(part.shape, self.seed, random.uniform(-reach, reach, buckets).astype(np.float32))
        levels = Hashed.fitted(part.values, buckets, self.seed)
        spread, shrunk = (_root_mean_square(values) for values in (part.values, levels.nearest(part.values, None)))
        return Hashed(part.shape, self.seed, levels.shared * np.float32(spread / shrunk if shrunk else 1.0))


class SharedValues(nn.Module):
    """A weight w[i] = ξ(i) · shared[h(i)] (equation 7; its gradient is equation 12). first: hashes and first values."""

    def __init__(self, first: Hashed, held: Held) -> None:
        super().__init__()
        place, sign = hashes(math.prod(first.shape), first.shared.size, first.seed)
        arranged = held.arrangement.tensor
        self._first = first.shared
        self._places = torch.from_numpy(arranged(place.reshape(first.shape)).copy())
        self._signs = torch.from_numpy(arranged(sign.astype(np.float32).reshape(first.shape)).copy())

    def right_inverse(self, weight: Tensor) -> Tensor:
        return torch.from_numpy(self._first.copy())

    def forward(self, shared: Tensor) -> Tensor:
        return gathered(shared, self._places, self._signs)


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
