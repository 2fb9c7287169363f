"""What the evaluator asks of a network: to be filled with forms, and to be run in parts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.models.exits import taken
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.simulated import chain, simulated
from workbench.weights.form import Form

BATCH = 100  # few enough for the activations of most small networks to stay in the processor's cache

Live = tuple[Any, ...]  # the values that later operations still need; each tells its `nbytes`


class Network(Protocol):
    """A forward pass that can be left at a cut, a number of operations from its beginning, and taken up again there.

    first_use: layer -> the last cut before anything that its weight has a part in. sizes: bytes that an image makes
    live at each cut. batch: how many images are run at a time.

    A network with side exits does not follow one list of operations, so it is run whole.
    """

    @property
    def first_use(self) -> Mapping[str, int]: ...

    @property
    def sizes(self) -> Sequence[int]: ...

    @property
    def batch(self) -> int: ...

    def fill(self, layer: Layer, form: Form) -> None:
        """Give a layer the weight that `form` stands for."""
        ...

    def suits(self, forms: Mapping[str, Form]) -> bool:
        """Whether no slower way to run the network is faster with these forms. Follows from the forms alone."""
        ...

    def begin(self, images: torch.Tensor) -> Live:
        """What is live at cut 0 of a batch of images, float32."""
        ...

    def run(self, live: Live, start: int, stop: int | None = None) -> Live:
        """From what is live at cut `start` to what is at `stop`; to the scores, alone in a tuple, where it is None.

        What comes out may be overwritten by the next batch. `live` stays as it is.
        """
        ...

    def held(self, live: Live) -> Live:
        """The same values, which no later batch overwrites."""
        ...


class Whole:
    """A network that cannot be taken apart: it is made anew for each set of forms, and run from its beginning.

    taken: where it has side exits, at which of them each image of the last batch left (`workbench.models.exits.taken`).
    """

    def __init__(self, model: Model) -> None:
        self.first_use = {layer.name: 0 for layer in model.layers}
        self.sizes = [2**62]
        self.batch = BATCH
        self.taken: NDArray[np.int64] | None = None
        self._leaves = bool(model.thresholds)
        self._model = model
        self._forms: dict[str, Form] = {}
        self._module: nn.Module | None = None

    def fill(self, layer: Layer, form: Form) -> None:
        self._forms[layer.name] = form
        self._module = None

    def suits(self, forms: Mapping[str, Form]) -> bool:
        return True

    def begin(self, images: torch.Tensor) -> Live:
        return (images,)

    def run(self, live: Live, start: int, stop: int | None = None) -> Live:
        if self._module is None:
            self._module = simulated(self._model, self._forms)
        scores = self._module(*live)
        self.taken = taken(self._module, len(scores)).numpy() if self._leaves else None
        return (scores,)

    def held(self, live: Live) -> Live:
        return live


def stand_ins(layer: Layer, form: Form, original: Any) -> tuple[nn.Linear | nn.Conv2d, ...]:
    """The torch layers, in their order, that `form` makes of `original`, which stays as it is."""
    if form.factored:
        return cast(tuple[nn.Linear | nn.Conv2d, ...], tuple(chain(layer, form, original)))
    body = copy.copy(original)
    weight = nn.Parameter(torch.tensor(form.parts[0].values), requires_grad=False)
    body._parameters = {**original._parameters, "weight": weight}
    return (body,)
