"""A network's graph written anew with smaller layers: without the channels that hold one number whatever the image.

Operations are taken in their order, and each is given what is there of the activations before it. A layer leaves out
outputs without weights, and inputs that are not there; what it leaves out holds its bias at every position, and that
number is carried along. Batch norms, activation functions, pooling, sums and concatenations go on with what is there.
What only moves activations is followed with a number in the place of each, so that a shuffle becomes a choice of
channels and a flattening one of features, whatever shape the code wrote out. Where an operation cannot go on with less,
or nothing is known of it, the activation is put together again before it.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from workbench.network.layouts import Layout, Picked, Relaid, whole_shape
from workbench.network.moves import moved_channels, regrouped, resized
from workbench.network.operators import (
    KEEP_ZERO,
    KEEP_ZERO_CALLS,
    MOVE,
    MOVE_CALLS,
    POINTWISE,
    POINTWISE_CALLS,
    POOL,
    POOL_CALLS,
    PRODUCTS,
    SCALINGS,
    SUMS,
)
from workbench.network.products import Product, attention, matrix_product
from workbench.network.recording import called
from workbench.network.smaller import (
    Flags,
    Narrowable,
    biases,
    constant_sums,
    hooked,
    keeps_constants,
    kept_channels,
    met_weights,
    smaller_layer,
)
from workbench.weights.crossing import Crossing

_BY_CHANNEL = (*KEEP_ZERO, *POINTWISE, *POOL, nn.ZeroPad2d, nn.Upsample, nn.Softmax)
_COPIES = {"contiguous", "clone"}
_BY_CHANNEL_CALLS = {
    *KEEP_ZERO_CALLS, *POINTWISE_CALLS, *POOL_CALLS, *SUMS, *SCALINGS, *_COPIES, "interpolate", "softmax",
}  # fmt: skip
_BOTH = {*SUMS, *SCALINGS, "maximum", "minimum"} - {"neg"}
_GATES = {"mul", "imul"}
_SIZED = {"view", "reshape", "unflatten"}  # they are given the sizes of some axes
_CAT = {"cat", "concat"}
_MOVES = MOVE_CALLS - _CAT - _COPIES

# Putting channels together or picking some out takes as long as so many products for a number, and for a call.
_NUMBER, _CALL = 16, 2**17


@dataclass(frozen=True)
class Joint:
    """Where channels are put together again: before which operation, of which layers, and how many numbers that are."""

    before: str
    layers: frozenset[str]
    numbers: int


def worth(joint: Joint, saved: Mapping[str, int]) -> bool:
    """Whether leaving channels out saves more than putting them together again takes."""
    return sum(saved.get(name, 0) for name in joint.layers) > _CALL + _NUMBER * joint.numbers


@dataclass(eq=False)
class _Value:
    """What an operation gives. node: of the new graph, what is there as `layout` says (None: all of it).

    moved: another value, where in the whole of it each number comes from, and by which operations. whole: all of it,
    once it was needed.
    """

    source: fx.Node
    node: fx.Node | None = None
    layout: Layout | None = None
    moved: tuple[_Value, Any, tuple[fx.Node, ...]] | None = None
    whole: fx.Node | None = None


class Narrowing:
    """`graph` of `module` with smaller layers.

    found: what each operation gives for an example of several images. layers: those that may be made smaller, by path.
    held: those that keep their outputs.
    """

    def __init__(
        self,
        module: nn.Module,
        graph: fx.Graph,
        found: Mapping[fx.Node, Any],
        layers: Mapping[str, Narrowable],
        held: frozenset[str],
    ) -> None:
        self._module, self._found, self._layers, self._held = module, found, layers, held
        self.graph = fx.Graph()
        self._made: dict[str, nn.Module] = {}  # what is called in the place of a module, or beside them
        self.crossings: dict[str, Crossing] = {}
        self.joints: list[Joint] = []
        self.saved: dict[str, int] = {}  # products that a layer does not do since outputs are left out
        calls = [module.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"]
        self._calls = Counter(id(one) for one in calls)
        self._values: dict[fx.Node, _Value] = {}
        for node in graph.nodes:
            self._values[node] = self._follow(node)

    def network(self) -> fx.GraphModule:
        """The new network; what is not smaller is the module's own."""
        root: dict[str, Any] = {}
        for node in self.graph.nodes:
            path = str(node.target)
            if node.op == "call_module":
                root[path] = self._made[path] if path in self._made else self._module.get_submodule(path)
            elif node.op == "get_attr":
                owner, _, name = path.rpartition(".")
                root[path] = getattr(self._module.get_submodule(owner), name)
        return fx.GraphModule(root, self.graph, type(self._module).__name__).eval()

    # What the new graph is made of.

    def _follow(self, node: fx.Node) -> _Value:
        if node.op == "call_module":
            value = self._called(node, self._module.get_submodule(str(node.target)), str(node.target))
        elif node.op in ("call_function", "call_method"):
            value = self._call(node, getattr(node.target, "__name__", str(node.target)))
        else:
            value = None
        return self._copied(node) if value is None else value

    def _copied(self, node: fx.Node) -> _Value:
        """The same operation on whole activations."""
        args, kwargs = fx.map_arg((node.args, node.kwargs), lambda arg: self._whole(self._values[arg], node))
        made = self.graph.create_node(node.op, node.target, args, kwargs, node.name)
        return _Value(node, made, whole=made)

    def _whole(self, value: _Value, before: fx.Node) -> fx.Node:
        if value.whole is None:
            if value.node is not None and value.layout is not None:
                layout = value.layout
                value.whole = self._relaid(value, Layout(layout.axis, np.arange(layout.channels), layout.fill), before)
            else:
                value.whole = self._copied(value.source).node
                assert value.whole is not None
        return value.whole

    def _relaid(self, value: _Value, after: Layout, before: fx.Node) -> fx.Node:
        """What is there of `value` as `after` says, for the operation `before`."""
        assert value.node is not None
        layout = value.layout or Layout.whole(after.axis, after.channels)
        if np.array_equal(layout.kept, after.kept):
            return value.node
        if not set(after.kept.tolist()) <= set(layout.kept.tolist()):
            numbers = self._numbers(value) // layout.channels * after.kept.size
            self.joints.append(Joint(before.name, layout.layers, numbers))
        return self._own(Relaid(layout, after), value.node)

    def _own(self, module: nn.Module, *args: fx.Node) -> fx.Node:
        """A call of a module that the network did not have."""
        number = 0
        while (name := f"relaid_{number}") in self._made or hasattr(self._module, name):
            number += 1
        self._made[name] = module
        return self.graph.call_module(name, args)

    def _numbers(self, value: _Value) -> int:
        """Of the whole activation of one image."""
        x = self._found[value.source]
        return int(x.numel() // len(x))

    # What a value has where an operation asks for it by channel.

    def _of(self, arg: Any) -> _Value | None:
        """The value of an argument that is an activation."""
        return self._values[arg] if isinstance(arg, fx.Node) and isinstance(self._found[arg], torch.Tensor) else None

    def _less(self, arg: Any) -> _Value | None:
        """The value of an argument of which not everything is there."""
        value = self._of(arg)
        return value if value is not None and value.node is not None and value.layout is not None else None

    def _layout(self, value: _Value, place: int, before: fx.Node) -> Layout | None:
        """How its channels along axis `place` are there; None where there is no such axis, or other channels are."""
        x = self._found[value.source]
        if not 0 <= place < x.ndim:
            return None
        if value.node is None:
            self._whole(value, before)
            value.node, value.moved = value.whole, None
        axis = place - x.ndim
        if value.layout is None:
            return Layout.whole(axis, x.shape[place])
        return value.layout if value.layout.axis == axis else None

    # Operations.

    def _called(self, node: fx.Node, module: nn.Module, path: str) -> _Value | None:
        again = self._calls[id(module)] > 1 and not isinstance(module, (*_BY_CHANNEL, *MOVE))
        if len(node.args) != 1 or node.kwargs or again:
            return None
        if path in self._layers:
            return self._layer(node, module, path)
        if self._less(node.args[0]) is None:
            return self._moved(node, module) if isinstance(module, MOVE) else None
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            return self._batch_norm(node, module, path)
        if isinstance(module, _BY_CHANNEL):
            return self._by_channel(node, module)
        return self._moved(node, module) if isinstance(module, MOVE) else None

    def _call(self, node: fx.Node, name: str) -> _Value | None:
        if node.args and (name == "size" or (name == "getattr" and node.args[1:] == ("shape",))):
            return self._shape(node, name)
        if name in _CAT:
            return self._concatenated(node)
        if name in _BOTH and len(node.args) == 2 and not node.kwargs and all(self._of(arg) for arg in node.args):
            return self._both(node, name)
        if name in PRODUCTS:
            return self._multiplied(node, matrix_product, 2)
        if name == "scaled_dot_product_attention":
            return self._multiplied(node, attention, 3)
        if name in _MOVES or (name in _COPIES and self._less(node.args[0]) is None):
            return self._moved(node, called(node))
        if name in _BY_CHANNEL_CALLS and node.args and self._less(node.args[0]) is not None:
            return self._by_channel(node, called(node))
        return None

    def _shape(self, node: fx.Node, name: str) -> _Value | None:
        value = self._less(node.args[0])
        if value is None:
            return None
        assert value.layout is not None
        shape = self.graph.call_function(whole_shape, (value.node, value.layout.axis, value.layout.channels))
        axes = [*node.args[1:], *node.kwargs.values()]
        if name == "size" and axes:
            shape = self.graph.call_function(_at, (shape, axes[0]))
        return _Value(node, shape, whole=shape)

    def _batch_norm(self, node: fx.Node, module: nn.BatchNorm1d | nn.BatchNorm2d, path: str) -> _Value | None:
        value = self._less(node.args[0])
        assert value is not None and value.layout is not None
        layout = value.layout
        if module.running_mean is None or layout.axis + self._found[value.source].ndim != 1:
            return None
        after = self._constant(module, value, layout, 1)
        if after is None:
            return None
        smaller = copy.deepcopy(module)
        kept = torch.from_numpy(layout.kept)
        for name, parameter in module.named_parameters():
            setattr(smaller, name, nn.Parameter(parameter.detach()[kept], requires_grad=False))
        for name in ("running_mean", "running_var"):
            setattr(smaller, name, getattr(module, name)[kept])
        smaller.num_features = layout.kept.size
        self._made[path] = smaller
        return _Value(node, self.graph.call_module(path, (value.node,)), after)

    def _constant(self, run: Callable[..., Any], value: _Value, layout: Layout, place: int) -> Layout | None:
        """The layout of what `run` makes of `value`, where each channel follows from its own numbers alone, and what is
        the same at every position stays so. place: of the channels among the axes of what it makes."""
        x = self._found[value.source]
        example = torch.from_numpy(layout.fill).reshape(-1, *[1] * (-layout.axis - 1)).expand(x.shape).clone()
        made = run(example)
        if not isinstance(made, torch.Tensor) or made.ndim <= place or made.shape[place] != layout.channels:
            return None
        channels = made.movedim(place, 0).flatten(1)
        away = channels[torch.from_numpy(~layout.there)]
        if not torch.allclose(away, away[:, :1].expand(away.shape), rtol=1e-6, atol=0):
            return None
        return Layout(place - made.ndim, layout.kept, channels[:, 0].numpy().copy(), layout.layers, layout.images)

    def _by_channel(self, node: fx.Node, target: Callable[..., Any]) -> _Value | None:
        """Of one activation, and what else is no activation."""
        value = self._less(node.args[0])
        assert value is not None and value.layout is not None
        others = node.args[1:], node.kwargs
        if any(isinstance(self._found[arg], torch.Tensor) for arg in _nodes(others)):
            return None
        args, kwargs = fx.map_arg(others, lambda arg: self._found[arg])
        run = lambda x: target(x, *args, **kwargs)  # noqa: E731
        x, place = self._found[value.source], self._found[value.source].ndim + value.layout.axis
        try:
            kept = torch.from_numpy(value.layout.kept)
            alone, together = run(x.index_select(place, kept)), run(x.clone())
            places = dict.fromkeys((place, together.ndim + value.layout.axis))  # axes before the channels may go
            found = (to for to in places if _same(alone, together, kept, to))
            to = next(found, None)
            after = None if to is None else self._constant(run, value, value.layout, to)
        except Exception:  # an operation may need to see all channels in any way
            return None
        if after is None:
            return None
        args, kwargs = fx.map_arg(others, lambda arg: self._whole(self._values[arg], node))
        made = self.graph.create_node(node.op, node.target, (value.node, *args), kwargs, node.name)
        return _Value(node, made, after)

    def _both(self, node: fx.Node, name: str) -> _Value | None:
        """Of two activations: a channel is left out where both leave it out, of a product where one makes it zero."""
        given = [self._less(arg) for arg in node.args]
        if not any(given):
            return None
        x = self._found[node]
        place = next(self._found[value.source].ndim + value.layout.axis for value in given if value and value.layout)
        layouts = []
        for arg in node.args:
            value = self._of(arg)
            assert value is not None
            its = self._found[value.source]
            layout = self._layout(value, place, node) if its.ndim == x.ndim else None
            if layout is None or layout.channels != x.shape[place]:
                return None
            layouts.append((value, layout))
        (first, one), (second, other) = layouts
        stays = one.there | other.there
        run = called(node)
        fill = run(torch.from_numpy(one.fill.copy()), torch.from_numpy(other.fill.copy())).numpy()
        if name in _GATES:
            nothing = (~one.there & (one.fill == 0)) | (~other.there & (other.fill == 0))
            stays, fill = stays & ~nothing, np.where(nothing, np.float32(0), fill)
        kept = np.flatnonzero(stays)
        if not kept.size:
            return None
        after = Layout(place - x.ndim, kept, fill, one.layers | other.layers)
        pairs = (first, one), (second, other)
        args = tuple(self._relaid(value, Layout(its.axis, kept, its.fill), node) for value, its in pairs)
        made = self.graph.create_node(node.op, node.target, args, {}, node.name)
        return _Value(node, made, None if after.complete else after, whole=made if after.complete else None)

    def _concatenated(self, node: fx.Node) -> _Value | None:
        parts = node.args[0]
        along = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis", 0))
        if not isinstance(parts, (tuple, list)) or not any(self._less(arg) for arg in parts):
            return None
        x = self._found[node]
        place = along % x.ndim
        values, layouts = [], []
        for arg in parts:
            value = self._of(arg)
            layout = None if value is None else self._layout(value, place, node)
            if value is None or layout is None:
                return None
            values.append(value)
            layouts.append(layout)
        starts = np.cumsum([0, *(layout.channels for layout in layouts)])
        kept = np.concatenate([start + layout.kept for start, layout in zip(starts, layouts, strict=False)])
        fill = np.concatenate([layout.fill for layout in layouts])
        after = Layout(place - x.ndim, kept, fill, frozenset().union(*(layout.layers for layout in layouts)))
        made = self.graph.call_function(torch.cat, ([value.node for value in values], place - x.ndim))
        return _Value(node, made, after)

    # What only moves activations.

    def _moved(self, node: fx.Node, target: Callable[..., Any]) -> _Value | None:
        if not node.args or not isinstance(node.args[0], fx.Node):
            return None
        value = self._values[node.args[0]]
        base, places, steps = value.moved or (value, None, ())
        if base.node is None or base.layout is None:
            return None
        if places is None:
            x = self._found[base.source]
            places = torch.arange(x.numel()).view(x.shape)
        others = node.args[1:], node.kwargs
        if any(isinstance(self._found[arg], torch.Tensor) for arg in _nodes(others)):
            return None
        args, kwargs = fx.map_arg(others, lambda arg: self._found[arg])
        try:
            moved = target(places, *args, **kwargs)
        except Exception:  # what moves in a way of its own is done to whole activations
            return None
        steps = (*steps, node)
        if not isinstance(moved, torch.Tensor):
            tensors = isinstance(moved, (tuple, list)) and all(isinstance(one, torch.Tensor) for one in moved)
            return _Value(node, moved=(base, moved, steps)) if tensors else None
        found = self._picked(node, base, moved) or self._regrouped(node, base, moved, steps)
        return found or _Value(node, moved=(base, moved, steps))

    def _picked(self, node: fx.Node, base: _Value, places: torch.Tensor) -> _Value | None:
        """What is there of a moved activation, where its channels are some of those of `base`, or its features are."""
        assert base.layout is not None and base.node is not None
        move = moved_channels(self._found[base.source].shape, base.layout, places)
        if move is None or not move.kept.size:
            return None
        made = self.graph.call_function(torch.flatten, (base.node, 1)) if move.flattens else base.node
        if not np.array_equal(move.index, np.arange(move.there)):
            made = self._own(Picked(-1 if move.flattens else base.layout.axis, move.index), made)
        if move.unfolds:
            made = self.graph.call_function(_as_images, (made,))
        fill = base.layout.fill[move.channels]
        after = Layout(move.axis, move.kept, fill, base.layout.layers)
        return _Value(node, made, whole=made) if after.complete else _Value(node, made, after)

    def _regrouped(
        self, node: fx.Node, base: _Value, places: torch.Tensor, steps: tuple[fx.Node, ...]
    ) -> _Value | None:
        """The same operations on what is there, where that gives what is there of `places`: heads of attention, say."""
        assert base.layout is not None and base.node is not None
        whole = self._found[base.source]
        found = regrouped(whole.shape, base.layout, places)
        if found is None or not found[0].kept.size:
            return None
        after, expected = found
        shape = list(whole.shape)
        shape[base.layout.axis] = base.layout.kept.size
        numbers = torch.arange(math.prod(shape)).view(shape)
        put_right = [None, after] if len(steps) == 1 and _name(node) in _SIZED else [None]
        for sized in put_right:
            moved: Any = numbers
            try:
                for step in steps:
                    moved = self._run(step, sized)(moved)
            except Exception:  # a size that was written out no longer fits
                continue
            if isinstance(moved, torch.Tensor) and torch.equal(moved, expected):
                made = base.node
                for step in steps:
                    made = self._again(step, made, sized)
                return _Value(node, made, after)
        return None

    def _run(self, node: fx.Node, sized: Layout | None) -> Callable[[Any], Any]:
        """What `node` does, as a function of its first argument. sized: as `_again` has it."""
        if node.op == "call_module":
            return self._module.get_submodule(str(node.target))
        args, kwargs = fx.map_arg((node.args[1:], node.kwargs), lambda arg: self._found[arg])
        if sized is not None:
            args = resized(_name(node), self._found[node].ndim, args, sized)
        return lambda x: called(node)(x, *args, **kwargs)

    def _again(self, node: fx.Node, made: fx.Node, sized: Layout | None) -> fx.Node:
        """`node` in the new graph, of another first argument. sized: how it gives what is there of its result, which
        is put right in the sizes that it is given."""
        args, kwargs = fx.map_arg((node.args[1:], node.kwargs), lambda arg: self._whole(self._values[arg], node))
        if sized is not None:
            args = resized(_name(node), self._found[node].ndim, args, sized)
        return self.graph.create_node(node.op, node.target, (made, *args), kwargs, node.name)

    # Products of activations, as in attention.

    def _multiplied(self, node: fx.Node, rule: Callable[..., Product | None], factors: int) -> _Value | None:
        """With what is there of its factors, as `rule` has it."""
        values = [self._of(arg) for arg in node.args]
        others = [self._found[arg] for arg in _nodes(node.kwargs)]
        if len(values) != factors or not any(self._less(arg) for arg in node.args):
            return None
        if any(value is None or value.moved is not None for value in values) or any(
            isinstance(other, torch.Tensor) and other.ndim > 2 for other in others
        ):
            return None
        given = [value for value in values if value is not None]
        product = rule([value.layout for value in given], [self._found[value.source].shape for value in given])
        if product is None:
            return None
        args = tuple(
            self._whole(value, node) if layout is None else self._relaid(value, layout, node)
            for value, layout in zip(given, product.factors, strict=True)
        )
        kwargs = fx.map_arg(node.kwargs, lambda arg: self._whole(self._values[arg], node))
        if product.scale is not None:
            kwargs = {"scale": product.scale, **kwargs}
        made = self.graph.create_node(node.op, node.target, args, kwargs, node.name)
        return _Value(node, made, product.after, whole=made if product.after is None else None)

    # Layers.

    def _layer(self, node: fx.Node, module: nn.Module, path: str) -> _Value | None:
        tensors: list[Any] = list(module) if isinstance(module, nn.Sequential) else [module]
        value, may = self._of(node.args[0]), self._layers[path]
        if value is None or any(type(one) not in (nn.Linear, nn.Conv2d) or hooked(one) for one in tensors):
            return None
        axis = -3 if isinstance(tensors[0], nn.Conv2d) else -1
        x, y = self._found[value.source], self._found[node]
        layout = self._layout(value, x.ndim + axis, node)
        if layout is None:  # other channels than the layer's are there
            value = _Value(value.source, self._whole(value, node))
            layout = Layout.whole(axis, x.shape[axis])
        met = met_weights(tensors)
        nothing, folded = self._unmet(tensors, layout, may)
        positions = 0  # at which a weight takes time
        if not may.skips_zeros:
            positions = y[0].numel() // y.shape[axis] * math.prod(getattr(tensors[0], "kernel_size", (1,)))
        rows, inputs = kept_channels(
            met,
            ~(nothing | folded).reshape(len(met), -1),
            layout.there.reshape(len(met), -1),
            may if path not in self._held else replace(may, rows=False),
            lambda more, picked: more * positions > _CALL + _NUMBER * picked * self._numbers(value) // layout.channels,
        )
        columns = np.array([np.flatnonzero(row) for row in inputs if row.any()])
        crossing = Crossing((rows.size, inputs.shape[1]), np.flatnonzero(rows), columns)
        entering = self._relaid(value, Layout(axis, np.flatnonzero(inputs), layout.fill), node)
        if rows.all() and inputs.all():
            made = self.graph.call_module(path, (entering,))
            return _Value(node, made, whole=made)
        added = fill = biases(tensors[-1])  # to the outputs that are left, and what the others would hold
        if folded.any():  # some of which may be inputs again, to make up a group
            constants = np.where(folded, layout.fill, np.float32(0))
            fill = fill + constant_sums(tensors[0], constants)
            added = added + constant_sums(tensors[0], np.where(inputs.reshape(-1), np.float32(0), constants))
        self.crossings[path] = crossing
        self.saved[path] = (rows.size - crossing.rows.size) * columns.shape[1] * positions
        self._made[path] = smaller_layer(tensors, crossing, added)
        made = self.graph.call_module(path, (entering,))
        if rows.all():
            return _Value(node, made, whole=made)
        return _Value(node, made, Layout(axis, crossing.rows, fill, frozenset([path])))

    def _unmet(self, tensors: list[Any], layout: Layout, may: Narrowable) -> tuple[Flags, Flags]:
        """Which channels that are not there a layer need not multiply: zeros, and what can be added to its biases."""
        if not may.columns:
            return np.zeros(layout.channels, bool), np.zeros(layout.channels, bool)
        nothing = ~layout.there & (layout.fill == 0) & may.zero_stays
        folds = len(tensors) == 1 and not may.rounds and keeps_constants(tensors[0])
        return nothing, ~layout.there & ~nothing & folds


def _nodes(args: Any) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.map_arg(args, found.append)
    return found


def _same(alone: torch.Tensor, together: torch.Tensor, kept: torch.Tensor, place: int) -> bool:
    """Whether `alone` is what is `kept` of `together` along an axis, to within rounding."""
    if not 0 <= place < together.ndim or int(kept[-1]) >= together.shape[place]:
        return False
    scale = float(together.abs().max()) if together.numel() else 0.0
    chosen = together.index_select(place, kept)
    return alone.shape == chosen.shape and torch.allclose(alone, chosen, rtol=1e-5, atol=1e-6 * scale)


def _name(node: fx.Node) -> str:
    return getattr(node.target, "__name__", str(node.target))


def _at(shape: torch.Size, axis: int) -> int:
    return shape[axis]


def _as_images(x: torch.Tensor) -> torch.Tensor:
    """[..., channels] to [..., channels, 1, 1]."""
    return x[..., None, None]
