"""Trained centroids: weights share a table, and the table is trained while what shares which value stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._gathered import gathered
from workbench.methods._parametrised import parametrised
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.arrangement import Arrangement
    from workbench.network.state import Held, State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class TrainedCentroids(Trained):
    """k-means once, k = 2^bits from linear centroids; then ∂L/∂c_k = Σ ∂L/∂w_ij over the weights of cluster k.

    The summed gradient times the learning rate is taken off the centroid (figure 3, momentum beside it). Which cluster
    a weight belongs to stays, and a zero stays zero, so that nothing of the places is trained. Biases and batch norms
    are trained along; layers that the step is not for keep their weights.
    """

    catalogue = ("QU-02",)
    title = "Weight sharing with trained centroids"
    paper = "Han, Mao, Dally, Deep Compression, ICLR 2016, section 3"

    bits: int = setting(
        4, "Width of a weight's index into the shared table, which holds 2^bits values.", unit="bits", low=1, high=8,
        step=1, axis="bits",
    )  # fmt: skip
    epochs: int = setting(3, "Passes over the training images.", low=1, high=50, step=1)
    learning_rate: float = setting(
        0.001, "What a centroid moves by for a summed gradient of 1.", low=0.00001, high=0.1, step=0.00001
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return "shares its weight with another module, which one table would untie" if layout.tied else None

    def stand_in(self) -> Layerwise:
        chosen = {"bits": self.bits}
        return cast(Layerwise, METHODS["quantize.kmeans"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        others = {name: form for name, form in state.forms.items() if name not in layers}
        shared = state.with_forms(self.stand_in().apply({name: state.forms[name] for name in layers}))
        module = shared.module()
        hold = shared.holding(module, others)
        tables: dict[tuple[str, int], SharedValues] = {}

        def made(held: Held) -> SharedValues:
            tables[held.layer, held.factor] = SharedValues(held.part, held.arrangement)
            return tables[held.layer, held.factor]

        end = parametrised(module, shared, layers, made)
        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
            after_step=lambda step: hold(),
            optimiser="sgd",
        )
        end()
        trained = shared.trained(module).with_forms(others)
        forms = {
            name: shared.forms[name].with_parts(
                [tables[name, place].part(of) for place, of in enumerate(trained.forms[name].parts)]
            )
            for name in layers
        }
        yield trained.with_forms(forms)


class SharedValues(nn.Module):
    """A weight whose entries are those of a table, and whose zeros are zero; the table is what is trained."""

    def __init__(self, part: Part, arrangement: Arrangement) -> None:
        super().__init__()
        codes, levels = part.codes, part.levels
        assert codes is not None and isinstance(levels, Codebook)
        self._codes, self._levels, self._zero = codes, levels, part.values == 0
        self._places = torch.from_numpy(arrangement.tensor(codes.astype(np.int64)).copy())
        self._alive = torch.from_numpy(arrangement.tensor((~self._zero).astype(np.float32)).copy())

    def right_inverse(self, weight: Tensor) -> Tensor:
        return torch.from_numpy(self._levels.entries.copy())

    def forward(self, table: Tensor) -> Tensor:
        return gathered(table, self._places, self._alive)

    def part(self, trained: Part) -> Part:
        """The weight on its trained table, whose values ascend again. trained: its values."""
        codes = np.minimum(self._codes, self._levels.entries.size - 1)
        alive = ~self._zero
        table = np.array(self._levels.entries)
        table[codes[alive]] = trained.values[alive]  # one value a cluster
        used = np.unique(codes[alive])
        values, places = np.unique(table[used], return_inverse=True)
        if not used.size:
            values, places, used = np.zeros(1, np.float32), np.zeros(1, np.int64), np.zeros(1, np.int64)
        new: NDArray[Any] = np.zeros(table.size, np.int64)
        new[used] = places
        levels = Codebook(max(1, (values.size - 1).bit_length()), values)
        return Part.on_levels(levels, new[codes].astype(levels.code_type), self._zero)
