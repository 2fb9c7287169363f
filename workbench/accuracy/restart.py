"""Answers of a network whose weights keep changing: each run starts at the first layer that changed.

The activations there are kept from the run before, within a memory budget. What is kept follows what is being moved: a
run stores what enters the first layer that was changed last, or an earlier operation where less has to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.accuracy.memory import keep_freed
from workbench.accuracy.network import Live, Network, Whole
from workbench.accuracy.ways import gives, ways
from workbench.errors import ModelError, reason
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.tasks import TASKS, Answers
from workbench.weights.form import Form

BUDGET = 512 * 2**20


@dataclass(frozen=True)
class _Kept:
    """What is live at `cut` of one batch, and the forms of the layers before it that made it so."""

    cut: int
    live: Live
    forms: tuple[Form, ...]
    nbytes: int


@dataclass(eq=False)
class _Way:
    """One way to run the network. fits: for each cut, whether what is live there fits the budget for all images.

    order: layers, as they are first used. forms: that it is filled with now, from `cut` on with others than before.
    tried: whether it gives the scores of the model itself.
    """

    network: Network
    fits: list[bool]
    order: tuple[str, ...]
    forms: Mapping[str, Form]
    cut: int = 0
    tried: bool = False

    @classmethod
    def of(cls, network: Network, images: int, budget: int) -> _Way:
        filled = -(-images // network.batch) * network.batch
        order = tuple(sorted(network.first_use, key=lambda name: network.first_use[name]))
        return cls(network, [size * filled <= budget for size in network.sizes], order, {})

    def fill(self, layers: Mapping[str, Layer], forms: Mapping[str, Form]) -> None:
        changed = [name for name in self.order if self.forms.get(name) is not forms[name]]
        self.forms = forms
        for name in changed:
            self.network.fill(layers[name], forms[name])
        if changed:
            self.cut = self._latest(self.network.first_use[changed[0]])

    def before(self, cut: int) -> tuple[Form, ...]:
        return tuple(self.forms[name] for name in self.order if self.network.first_use[name] < cut)

    def _latest(self, cut: int) -> int:
        """The last cut up to `cut` at which what is live fits the budget for all images; `cut` itself if none does."""
        return next((one for one in range(cut, 0, -1) if self.fits[one]), cut)


class Evaluator:
    """Answers of one network, under one set of forms after another, to one set of images.

    Not for several threads at once.
    """

    def __init__(
        self, model: Model, inputs: Callable[[int, int], torch.Tensor], images: int, budget: int = BUDGET
    ) -> None:
        """inputs: the images from one number up to another, float32; there are `images` of them.

        budget: bytes of activations to keep at most.
        """
        keep_freed()
        self.budget = budget
        self._images = images
        self._inputs = inputs
        self._layers = {layer.name: layer for layer in model.layers}
        self._model = model
        self._task = TASKS[model.data.task if model.data else "classification"]
        self._ways = [_Way.of(network, images, budget) for network in ways(model)]
        self._way = self._ways[-1]
        self._way.tried = True
        self._kept: dict[int, _Kept] = {}

    @property
    def batch(self) -> int:
        """Number of images in a batch, with the forms that are loaded."""
        return self._way.network.batch

    @property
    def nbytes(self) -> int:
        """Bytes of activations that are kept now."""
        return sum(one.nbytes for one in self._kept.values())

    def load(self, forms: Mapping[str, Form]) -> None:
        """Take these forms from now on. Only layers whose form is another object than before are touched."""
        if self._way.forms is forms:
            return
        way = self._fitting(forms)
        if way is not self._way:
            self._way, self._kept = way, {}
        way.fill(self._layers, forms)
        self._kept = {batch: one for batch, one in self._kept.items() if one.forms == way.before(one.cut)}

    def _fitting(self, forms: Mapping[str, Form]) -> _Way:
        """A way is tried out when it is first wanted, since its kernels may have to be compiled for that."""
        way = next(way for way in self._ways if way.network.suits(forms))
        if not way.tried:
            way.tried = True
            if not gives(way.network, self._model):
                self._ways.remove(way)
                return self._fitting(forms)
        return way

    @property
    def taken(self) -> NDArray[np.int64] | None:
        """At which side exit each image of the last batch left; None of a network without."""
        network = self._way.network
        return network.taken if isinstance(network, Whole) else None

    def answers(self, batch: int) -> Answers:
        """What the network answers to the images in one batch.

        Raises ModelError where the network fails on the images or gives no answers to its task.
        """
        wanted = min(self.batch, self._images - batch * self.batch)
        return self._task.answers(self.scores(batch), self.batch)[:wanted]

    def scores(self, batch: int) -> Any:
        """What the network gives for one batch, as many images as always; the next call may overwrite it.

        Raises ModelError where it fails on the images.
        """
        try:
            with torch.inference_mode():
                return self._scores(batch)
        except Exception as error:  # a user's module may fail in any way
            shape = tuple(self._inputs(0, 1).shape[1:])
            raise ModelError(f"The network cannot run on images of shape {shape}: {reason(error)}.") from error

    def _scores(self, batch: int) -> Any:
        network, kept = self._way.network, self._kept.get(batch)
        cut, live = (kept.cut, kept.live) if kept else (0, network.begin(self._batch(batch)))
        if cut < self._way.cut:
            live = network.run(live, cut, self._way.cut)
            cut = self._way.cut
            self._keep(batch, live)
        return network.run(live, cut)[0]

    def _batch(self, number: int) -> torch.Tensor:
        """As many images as always, the last ones repeats of the first where there are not enough."""
        images = self._inputs(number * self.batch, min((number + 1) * self.batch, self._images))
        images = self._model.entering(images)
        return images if len(images) == self.batch else images[torch.arange(self.batch) % len(images)]

    def _keep(self, batch: int, live: Live) -> None:
        way, before = self._way, self._kept.pop(batch, None)
        held = way.network.held(live)
        nbytes = sum(getattr(one, "nbytes", 0) for one in held)
        if self.nbytes + nbytes <= self.budget:
            self._kept[batch] = _Kept(way.cut, held, way.before(way.cut), nbytes)
        elif before is not None:
            self._kept[batch] = before
