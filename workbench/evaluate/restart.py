"""Answers of a network whose weights keep changing: each run starts at the first layer that changed.

The activations there are kept from the run before, within a memory budget. What is kept follows what is being moved: a
run stores what enters the first layer that was changed last, or an earlier operation where less has to be stored.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.errors import ModelError
from workbench.evaluate.fused import fused
from workbench.evaluate.graph import Graph, Live
from workbench.evaluate.memory import keep_freed
from workbench.evaluate.order import batch_size
from workbench.evaluate.pooling import sliced
from workbench.form import Form
from workbench.model import Layer, Model
from workbench.simulate import product, simulated

BUDGET = 512 * 2**20


@dataclass(frozen=True)
class _Kept:
    """What is live at `cut` of one batch, and the forms of the layers before it that made it so."""

    cut: int
    live: Live
    forms: tuple[Form, ...]
    nbytes: int


class Evaluator:
    """Answers of one network, under one set of forms after another, to one set of images.

    Convolutions run on channels-last tensors, which torch is faster with. A network that cannot be taken apart
    (`evaluate.graph`) is run whole. Not for several threads at once.

    batch: number of images in a batch.
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
        self._model = model
        self._inputs = inputs
        self._layers = {layer.name: layer for layer in model.layers}
        self._graph, self._format, sizes = _taken_apart(model)
        self.batch = batch_size(max(sizes))
        filled = -(-images // self.batch) * self.batch
        self._fits = [size * filled <= budget for size in sizes]
        self._order = tuple(sorted(self._layers, key=lambda name: self._first_use(name)))
        self._forms: Mapping[str, Form] = {}
        self._whole: nn.Module | None = None
        self._cut = 0
        self._kept: dict[int, _Kept] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of activations that are kept now."""
        return sum(one.nbytes for one in self._kept.values())

    def load(self, forms: Mapping[str, Form]) -> None:
        """Take these forms from now on. Only layers whose form is another object than before are touched."""
        if self._forms is forms:
            return
        changed = [name for name in self._order if self._forms.get(name) is not forms[name]]
        self._forms = forms
        if not changed:
            return
        if self._graph is None:
            self._whole = simulated(self._model, forms)
            return
        for name in changed:
            self._fill(self._graph, self._layers[name], forms[name])
        self._cut = self._latest(self._graph.first_use[changed[0]])
        self._kept = {batch: one for batch, one in self._kept.items() if one.forms == self._before(one.cut)}

    def answers(self, batch: int) -> NDArray[np.int64]:
        """Predicted labels of the images in one batch.

        Raises ModelError where the network fails on the images or does not give one row of scores an image.
        """
        wanted = min(self.batch, self._images - batch * self.batch)
        try:
            with torch.inference_mode():
                scores = self._scores(batch)
        except (RuntimeError, ValueError) as error:
            shape, why = tuple(self._inputs(0, 1).shape[1:]), str(error).splitlines()[0]
            raise ModelError(f"The network cannot run on images of shape {shape}: {why}") from error
        if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or len(scores) != self.batch:
            got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise ModelError(
                f"The network must give one row of class scores an image; for {self.batch} images it gave {got}."
            )
        found: NDArray[np.int64] = scores.argmax(1)[:wanted].numpy()
        return found

    def _scores(self, batch: int) -> Any:
        if self._graph is None:
            assert self._whole is not None
            return self._whole(self._batch(batch))
        kept = self._kept.get(batch)
        cut, live = (kept.cut, kept.live) if kept else (0, (_laid_out(self._batch(batch), self._format),))
        if cut < self._cut:
            live = self._graph.run(_spare(self._graph, live), cut, self._cut)
            cut = self._cut
            self._keep(batch, live)
        return self._graph.run(_spare(self._graph, live), cut)[0]

    def _batch(self, number: int) -> torch.Tensor:
        """As many images as always, the last ones repeats of the first where there are not enough."""
        images = self._inputs(number * self.batch, min((number + 1) * self.batch, self._images))
        return images if len(images) == self.batch else images[torch.arange(self.batch) % len(images)]

    def _keep(self, batch: int, live: Live) -> None:
        held = self._kept.pop(batch, None)
        nbytes = sum(one.nbytes for one in live if isinstance(one, torch.Tensor))
        if self.nbytes + nbytes <= self.budget:
            self._kept[batch] = _Kept(self._cut, live, self._before(self._cut), nbytes)
        elif held is not None:
            self._kept[batch] = held

    def _latest(self, cut: int) -> int:
        """The last cut up to `cut` at which what is live fits the budget for all images; `cut` itself if none does."""
        return next((one for one in range(cut, 0, -1) if self._fits[one]), cut)

    def _before(self, cut: int) -> tuple[Form, ...]:
        return tuple(self._forms[name] for name in self._order if self._first_use(name) < cut)

    def _first_use(self, name: str) -> int:
        return 0 if self._graph is None else self._graph.first_use[name]

    def _fill(self, graph: Graph, layer: Layer, form: Form) -> None:
        original = self._model.module.get_submodule(layer.name)
        slot = graph.slots[layer.name]
        if form.product is not None:
            first, second = (_formatted(one, self._format) for one in product(layer, form, original))
            slot.body = nn.Sequential(fused(first, (), self._format), fused(second, slot.after, self._format))
            return
        values = torch.tensor(form.parts[0].values)
        if layer.aliases:  # other modules use the same weight
            with torch.no_grad():
                cast(torch.Tensor, slot.body.weight).copy_(values)
            return
        body = copy.copy(cast(Any, original))
        body._parameters = {**original._parameters, "weight": nn.Parameter(values, requires_grad=False)}
        slot.body = fused(_formatted(body, self._format), slot.after, self._format)


def _taken_apart(model: Model) -> tuple[Graph | None, torch.memory_format, list[int]]:
    """The network's graph, if it has one that gives the scores that the network gives, and the layout it takes.

    The last are the bytes that an image makes live at each cut.
    """
    example = torch.rand(2, *model.input_shape, generator=torch.Generator().manual_seed(0))
    layers = {layer.name: layer.aliases for layer in model.layers}
    with torch.no_grad():
        for layout in (torch.channels_last, torch.contiguous_format):
            try:
                module = _formatted(copy.deepcopy(model.module), layout)
                for path, one in [found for found in module.named_modules() if isinstance(found[1], nn.MaxPool2d)]:
                    module.set_submodule(path, sliced(one))
                graph = Graph(module, layers)
                x = _laid_out(example, layout)
                (scores,) = graph.run((x,), 0)
                expected = model.module(example)
                if torch.allclose(scores, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())):
                    return graph, layout, [size // len(x) for size in graph.sizes(x)]
            except Exception:  # a user's module may resist in any way; it is then run as it is
                continue
    return None, torch.contiguous_format, [2**62]


def _spare(graph: Graph, live: Live) -> Live:
    """What `graph` may work on: copies where it works in place, so that what is kept stays as it is."""
    if not graph.mutates:
        return live
    return tuple(one.clone() if isinstance(one, torch.Tensor) else one for one in live)


def _formatted(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    return cast(nn.Module, cast(Any, module).to(memory_format=layout))  # which torch's own annotations lack


def _laid_out(x: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
    return x.contiguous(memory_format=layout) if x.ndim == 4 else x
