"""A network as steps on images in lanes (`kernels.image_lanes`), found in the graph of its operations.

What follows a layer is worked into its step: batch norm and activation (see `fused.follows`), the sum with another
branch, and the place among the channels of a concatenation. So most results are written once, and read once.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from workbench.accuracy.fused import Activation
from workbench.accuracy.graph import Graph, Slot
from workbench.accuracy.pooling import SlicedMaxPool
from workbench.kernels.lanes.images import border

_ADDITIONS = (operator.add, torch.add)
_CONCATENATIONS = (torch.cat, torch.concat)
_RELUS = (functional.relu, torch.relu)


@dataclass(eq=False)
class Value:
    """What some steps write and others read.

    halo: width of the border of zeros that its readers need. into: what it is a part of, and its first channel there.
    first, last: numbers of the steps between which it must be there.
    """

    channels: int
    height: int
    width: int
    halo: int = 0
    into: tuple[Value, int] | None = None
    first: int = -1
    last: int = -1

    @property
    def root(self) -> Value:
        return self if self.into is None else self.into[0].root

    @property
    def channel(self) -> int:
        return 0 if self.into is None else self.into[0].channel + self.into[1]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    def another(self) -> Value:
        """One of the same shape."""
        return Value(*self.shape)

    @property
    def nbytes(self) -> int:
        """Of one image, without the halo."""
        return 4 * self.channels * self.height * self.width


@dataclass(eq=False)
class Step:
    """writes = clip(what is done to `reads` (+ beside), low, high).

    layer: path of the layer that is multiplied with; "" for any other step. pool: size of the windows of a max pooling,
    0 for the mean over the image, None for neither.
    """

    reads: Value
    writes: Value
    layer: str = ""
    pool: int | None = None
    beside: Value | None = None
    low: float = -inf
    high: float = inf

    @property
    def clips(self) -> bool:
        return (self.low, self.high) != (-inf, inf)


@dataclass
class Plan:
    """entry: number of the graph's operations that come before the first step, on plain tensors."""

    entry: int
    source: Value
    steps: list[Step] = field(default_factory=list)
    result: Value | None = None


def planned(graph: Graph, results: Mapping[fx.Node, Any]) -> Plan:
    """The plan of a graph. results: what each operation gives for some images.

    Raises ValueError for an operation that there is no step for.
    """
    entry = next(number for number, node in enumerate(graph.operations) if _slot(graph, node) is not None)
    sources = graph.live(entry)
    if len(sources) != 1:
        raise ValueError("More than one value enters the first layer.")
    return _Planner(graph, results, entry, sources[0]).plan


class _Planner:
    def __init__(self, graph: Graph, results: Mapping[fx.Node, Any], entry: int, source: fx.Node) -> None:
        self._graph, self._results = graph, results
        self._values: dict[fx.Node, Value] = {source: self._value(source)}
        self.plan = Plan(entry, self._values[source])
        for node in graph.operations[entry:]:
            self._add(node)
        (scores,) = graph.output.args
        if not isinstance(scores, fx.Node) or self._results[scores].ndim != 2:
            raise ValueError("The network does not end in one row of scores an image.")
        self.plan.result = self._values[scores]
        self._span()

    def _add(self, node: fx.Node) -> None:
        slot = _slot(self._graph, node)
        module = self._graph.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if slot is not None:
            self._layer(node, slot)
        elif isinstance(module, nn.Identity | nn.Dropout) or _flattens(node, module):
            source = node.args[0]
            assert isinstance(source, fx.Node)
            self._rename(source, node)
        elif isinstance(module, Activation) or (node.op == "call_function" and node.target in _RELUS):
            self._activation(node, 6.0 if isinstance(module, nn.ReLU6) else inf)
        elif isinstance(module, SlicedMaxPool):
            self._step(node, Step(self._read(node.args[0]), self._value(node), pool=module.size))
        elif isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            self._step(node, Step(self._read(node.args[0]), self._value(node), pool=0))
        elif node.op == "call_function" and node.target in _ADDITIONS and len(node.args) == 2 and not node.kwargs:
            self._sum(node)
        elif node.op == "call_function" and node.target in _CONCATENATIONS:
            self._concatenation(node)
        else:
            raise ValueError(f"There is no step for {node.format_node()}.")

    def _layer(self, node: fx.Node, slot: Slot) -> None:
        read = self._read(node.args[0])
        layer = slot.layer
        flat = self._results[node.args[0]].ndim == 2  # type: ignore[index]
        if isinstance(layer, nn.Linear) != flat:
            raise ValueError(f"There is no step for {node.format_node()}.")
        if isinstance(layer, nn.Conv2d):
            if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
                raise ValueError(f"There is no step for padding as in {node.format_node()}.")
            read.halo = max(read.halo, *layer.padding)
        step = Step(read, self._value(node), layer=str(node.target))
        for one in slot.after:
            if isinstance(one, Activation):
                step.low, step.high = 0.0, 6.0 if isinstance(one, nn.ReLU6) else inf
        self._step(node, step)

    def _activation(self, node: fx.Node, high: float) -> None:
        source = node.args[0]
        assert isinstance(source, fx.Node)
        step = self._maker(source)
        if step is None or step.clips or step.pool is not None:
            value = self._read(source)
            step = Step(value, value.another())
            self._step(node, step)
        else:
            self._rename(source, node)
        step.low, step.high = 0.0, high

    def _sum(self, node: fx.Node) -> None:
        one, other = node.args
        if not isinstance(one, fx.Node) or not isinstance(other, fx.Node):
            raise ValueError(f"There is no step for {node.format_node()}.")
        value, added = self._read(one), self._read(other)
        if value.shape != added.shape or self._results[one].shape != self._results[other].shape:
            raise ValueError(f"There is no step for the shapes in {node.format_node()}.")
        for late, early in ((one, other), (other, one)):
            step = self._maker(late)
            if step is None or not step.layer or step.clips or step.beside is not None:
                continue
            if self._made(early) < self.plan.steps.index(step):
                step.beside = self._read(early)
                self._rename(late, node)
                return
        self._step(node, Step(value, value.another(), beside=added))

    def _concatenation(self, node: fx.Node) -> None:
        parts, dim = node.args[0], node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        if dim != 1 or not isinstance(parts, Sequence) or self._results[node].ndim != 4:
            raise ValueError(f"There is no step for {node.format_node()}.")
        whole, channel = self._value(node), 0
        self._values[node] = whole
        for part in parts:
            assert isinstance(part, fx.Node)
            value = self._read(part)
            if value.into is not None:
                raise ValueError(f"There is no step for the same part twice in {node.format_node()}.")
            step = self._maker(part)
            if step is None:
                step = Step(value, value.another())
                self.plan.steps.append(step)
            step.writes.into = whole, channel
            channel += value.channels

    def _step(self, node: fx.Node, step: Step) -> None:
        if step.layer in {one.layer for one in self.plan.steps if one.layer}:
            raise ValueError(f"Layer {step.layer!r} is called twice.")
        self.plan.steps.append(step)
        self._values[node] = step.writes

    def _rename(self, node: fx.Node, other: fx.Node) -> None:
        """What `node` gives is what `other` gives; where nothing else reads it, it goes by that name alone."""
        self._values[other] = self._values[node]
        if len(node.users) == 1:
            del self._values[node]

    def _maker(self, node: fx.Node) -> Step | None:
        """The step that writes what `node` gives, if nothing but one operation reads that."""
        names = sum(value is self._values[node] for value in self._values.values())
        if len(node.users) != 1 or names != 1:
            return None
        return next((step for step in self.plan.steps if step.writes is self._values[node]), None)

    def _made(self, node: fx.Node) -> int:
        """Number of the last step that has a part in what `node` gives; −1 for what enters."""
        value = self._values[node]
        return max((i for i, step in enumerate(self.plan.steps) if step.writes.root is value.root), default=-1)

    def _read(self, node: Any) -> Value:
        return self._values[node]

    def _value(self, node: fx.Node) -> Value:
        shape = tuple(self._results[node].shape[1:])
        if len(shape) not in (1, 3):
            raise ValueError(f"There is no step for values of shape {shape}.")
        channels, height, width = (*shape, 1, 1)[:3]
        return Value(channels, height, width)

    def _span(self) -> None:
        """When each value is needed; the source is written before the first step, the result read after the last."""
        steps = self.plan.steps
        assert self.plan.result is not None
        for number, step in enumerate(steps):
            root = step.writes.root
            root.first = number if root.first < 0 else root.first
            for value in (step.reads, step.beside):
                if value is not None:
                    value.last = number
        self.plan.result.last = len(steps)
        for value in {self.plan.source, *(step.writes for step in steps)}:
            value.halo = border(value.height, value.width, value.halo)


def _slot(graph: Graph, node: fx.Node) -> Slot | None:
    return graph.slots.get(str(node.target)) if node.op == "call_module" else None


def _flattens(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node makes one row of each image."""
    if isinstance(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    named = node.target is torch.flatten or (node.op == "call_method" and node.target == "flatten")
    return named and tuple(node.args[1:]) == (1,) and not node.kwargs
