"""A network run on images in the lanes of vectors: nothing is multiplied with a weight that is zero.

Dense convolutions of oneDNN run at the speed of the processor's arithmetic, so what a cut saves can only be had by
leaving its products out (Park et al., Faster CNNs with direct sparse convolutions, ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import cast

import torch
from torch import nn

from workbench.accuracy.fused import folded
from workbench.accuracy.graph import Graph
from workbench.accuracy.lane_plan import Plan, Step, Value, planned
from workbench.accuracy.network import Live, stand_ins
from workbench.kernels.lanes import pooling as image_pooling
from workbench.kernels.lanes.images import Images, enter, leave
from workbench.kernels.lanes.stencil import Stencil
from workbench.kernels.lanes.vectors import LANES
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.weights.form import Form

_LARGE_BATCH = 512  # images, of networks whose activations stay near the processor even then
_LEAST_GROUPS = 2  # of images that each thread gets
_NEAR = 3 * 2**19  # bytes of activations a thread that stay near it
_SINGLE = 1.25  # how much longer a product takes where a weight meets each image once, as in a linear layer
_DENSEST = 0.72 if LANES == 16 else 0.8  # share of oneDNN's products, up to which leaving the others out is faster


class LaneNetwork:
    """See `Network`. Cut 0 is before the images are laid out, cut n before step n − 1 of its plan.

    Raises ValueError where the network has an operation that there is no step for.
    """

    def __init__(self, model: Model, graph: Graph, example: torch.Tensor) -> None:
        """graph: of the model's operations. example: images, which show the shapes of what these give."""
        self._model, self._graph = model, graph
        self._plan = planned(graph, graph.results(example))
        self._numbers = {step.layer: number for number, step in enumerate(self._plan.steps) if step.layer}
        self.first_use = {path: number + 1 for path, number in self._numbers.items()}
        self.sizes = [example[0].nbytes] + [sum(one.nbytes for one in self._live(cut)) for cut in self._cuts()]
        threads = torch.get_num_threads()
        near = min(_NEAR // (max(self.sizes) * LANES), _LARGE_BATCH // (LANES * threads))
        self.batch = max(near, _LEAST_GROUPS) * LANES * threads
        self._filled: dict[int, tuple[Stencil, ...]] = {}
        self._between: dict[tuple[int, int], Images] = {}  # what the factors but the last give
        self._buffers: dict[Value, Images] = {}
        self._groups = 0

    def _cuts(self) -> range:
        return range(1, len(self._plan.steps) + 2)

    def fill(self, layer: Layer, form: Form) -> None:
        number = self._numbers[layer.name]
        step = self._plan.steps[number]
        original = self._model.module.get_submodule(layer.name)
        *first, last = stand_ins(layer, form, original)
        for norm in self._graph.slots[layer.name].after:
            if isinstance(norm, nn.BatchNorm2d):
                last = folded(cast(nn.Conv2d, last), norm)
        filled: list[Stencil] = []
        size, halo = (step.reads.height, step.reads.width), step.reads.halo
        for one in (*first, last):
            halo = _padding(one) if filled else halo
            filled.append(_stencil(one, size, halo))
            size = filled[-1].output_size
        self._filled[number] = tuple(filled)
        self._between = {place: images for place, images in self._between.items() if place[0] != number}

    def suits(self, forms: Mapping[str, Form]) -> bool:
        if any(form.entering is not None for form in forms.values()):
            return False
        done = whole = 0.0
        for number, step in enumerate(self._plan.steps):
            if not step.layer:
                continue
            form = forms[step.layer]
            for part, places in zip(form.parts, self._places(number, form), strict=True):
                done += places * part.nonzeros * (_SINGLE if places == 1 else 1)
                whole += places * _padded(part.shape)
        return done <= _DENSEST * whole

    def _places(self, number: int, form: Form) -> tuple[int, ...]:
        """How many outputs of each channel the tensors of a layer have a part in."""
        step = self._plan.steps[number]
        found, rows, columns = [], False, False
        for passage in form.passages:
            rows, columns = rows or passage.rows, columns or passage.columns
            height = step.writes.height if rows else step.reads.height
            found.append(height * (step.writes.width if columns else step.reads.width))
        return tuple(found)

    def begin(self, images: torch.Tensor) -> Live:
        return (images,)

    def run(self, live: Live, start: int, stop: int | None = None) -> Live:
        steps = self._plan.steps
        stop_at = len(steps) + 1 if stop is None else stop
        if start == 0:
            live = (self._enter(live[0]),)
        self._allocate(live[0].groups)
        there = {one: self._entered(one, images) for one, images in zip(self._live(max(start, 1)), live, strict=True)}
        for number in range(max(start - 1, 0), stop_at - 1):
            self._run(number, steps[number], there)
        if stop is not None:
            return tuple(there[one] for one in self._live(stop))
        assert self._plan.result is not None
        return (torch.from_numpy(leave(there[self._plan.result])),)

    def held(self, live: Live) -> Live:
        return tuple(_without_halo(one) for one in live)

    def _live(self, cut: int) -> list[Value]:
        """What is written before the step with this number + 1 and read by it or later ones, in a fixed order."""
        values = dict.fromkeys([self._plan.source, *(step.writes.root for step in self._plan.steps)])
        return [one for one in values if one.first < cut - 1 <= one.last]

    def _allocate(self, groups: int) -> None:
        if groups != self._groups:
            self._groups, self._buffers = groups, _allocated(self._plan, groups)
            self._between.clear()

    def _entered(self, value: Value, images: Images) -> Images:
        """`images`, in the place where steps find `value`: what is held lies elsewhere, and without its halo."""
        place = self._buffers[value]
        if images is not place:
            image_pooling.combine(images, place, threads=torch.get_num_threads())
        return place

    def _enter(self, images: torch.Tensor) -> Images:
        self._allocate(-(-len(images) // LANES))
        (plain,) = self._graph.run((images,), 0, self._plan.entry)
        source = self._plan.source
        enter(plain.numpy().reshape(len(images), *source.shape), self._buffers[source], threads=torch.get_num_threads())
        return self._buffers[source]

    def _run(self, number: int, step: Step, there: dict[Value, Images]) -> None:
        root = step.writes.root
        x, y = there[step.reads], there.setdefault(root, self._buffers[root])
        channel, threads = step.writes.channel, torch.get_num_threads()
        beside = None if step.beside is None else there[step.beside]
        if step.layer:
            *first, last = self._filled[number]
            for place, stencil in enumerate(first):
                x = self._through((number, place), stencil, x, self._filled[number][place + 1].halo)
            last.run(x, y, channel, step.low, step.high, beside, threads)
        elif step.pool is None:
            image_pooling.combine(x, y, beside, step.low, step.high, channel, threads)
        elif step.pool:
            image_pooling.max_pool(x, y, step.pool, channel, threads)
        else:
            image_pooling.mean(x, y, channel, threads)

    def _through(self, place: tuple[int, int], stencil: Stencil, x: Images, halo: int) -> Images:
        """What a factor that is not its layer's last makes of `x`. place: the step's number and the factor's."""
        if place not in self._between:
            self._between[place] = Images.zeros(x.groups, stencil.outputs, *stencil.output_size, halo)
        stencil.run(x, self._between[place], threads=torch.get_num_threads())
        return self._between[place]


def _allocated(plan: Plan, groups: int) -> dict[Value, Images]:
    """Memory for every value, shared by values of one shape that are not needed at the same time."""
    found: dict[Value, Images] = {}
    last_user: list[tuple[Value, Images]] = []
    for value in dict.fromkeys([plan.source, *(step.writes.root for step in plan.steps)]):
        kind = (*value.shape, value.halo)
        for place, (user, images) in enumerate(last_user):
            if (*user.shape, user.halo) == kind and user.last < value.first:
                found[value], last_user[place] = images, (value, images)
                break
        else:
            found[value] = Images.zeros(groups, *value.shape, value.halo)
            last_user.append((value, found[value]))
    return found


def _without_halo(images: Images) -> Images:
    """A copy of what is inside: for ResNet-8's activations at 14 × 14, two thirds of the bytes."""
    copy = Images.zeros(images.groups, images.channels, images.height, images.width, 0)
    image_pooling.combine(images, copy, threads=torch.get_num_threads())
    return copy


def _padded(shape: tuple[int, ...]) -> int:
    """Weights that oneDNN multiplies with: it fills up the channels of a convolution to whole registers."""
    if len(shape) == 2 or shape[1] == 1 < shape[0]:
        return prod(shape)
    return prod(shape[2:]) * prod(-(-one // LANES) * LANES for one in shape[:2])


def _padding(layer: nn.Module) -> int:
    return max(cast(tuple[int, int], layer.padding)) if isinstance(layer, nn.Conv2d) else 0


def _stencil(layer: nn.Linear | nn.Conv2d, size: tuple[int, int], halo: int) -> Stencil:
    """size: height and width of the images that enter."""
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    weight = layer.weight.detach().numpy()
    if isinstance(layer, nn.Linear):
        weight = weight.reshape(len(weight), weight.shape[1] // prod(size), *size)
        return Stencil.of(weight, bias, size, halo)
    stride, padding, dilation = (cast(tuple[int, int], one) for one in (layer.stride, layer.padding, layer.dilation))
    return Stencil.of(weight, bias, size, halo, stride, padding, dilation, layer.groups)
