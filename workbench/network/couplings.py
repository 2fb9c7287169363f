"""Which output channels of a network's layers live and die together, found by following them through its graph.

Every channel of every layer is a number, and the numbers flow through the graph where the activations do. What only
moves activations (views, transpositions, concatenations, slices) moves their numbers, whatever shuffle that amounts to;
sums join the channels that they add; a filter for each channel joins what goes in with what comes out. Where attention
has several heads, the queries, keys and values of each are joined, so that a head goes as a whole. A channel can be
emptied where it then is zero wherever it goes: through functions that keep zero, up to layers that multiply it.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves, tree_map

from workbench.evidence import Channel, Channels
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.operators import (
    AVERAGES,
    KEEP_ZERO,
    KEEP_ZERO_CALLS,
    MOVE,
    MOVE_CALLS,
    POOL,
    POOL_CALLS,
    PRODUCTS,
    SCALINGS,
    SUMS,
)
from workbench.network.recording import Recording, called, keeps_zero, resisting, results

_NONE = -1  # the number of what is no channel, or may not be emptied


def couplings(model: Model) -> Channels:
    """The channels of `model` that can be emptied. A network whose graph cannot be recorded has none, and says so."""
    try:
        module = copy.deepcopy(model.module)  # whose leaves are exchanged while it is recorded
        with passing(module), torch.no_grad():  # an image that goes all the way meets the branch of every exit
            graph = Recording().record(module, model.noise(2))
            found = results(module, graph, model.noise())
        flow = _Flow(model, found)
        for node in graph.nodes:
            flow.follow(node)
        return replace(flow.channels(), offsets=_offsets(model, graph))
    except Exception as error:  # a user's module may resist in any way
        reason = f"is in a network whose graph cannot be followed ({resisting(error)})"
        return Channels((), {layer.name: reason for layer in model.layers})


class _Flow:
    """The numbers of channels on their way. A number is a place among all rows of all layers' weights."""

    def __init__(self, model: Model, found: dict[fx.Node, Any]) -> None:
        self._model, self._found = model, found
        self._layers = {path: layer for layer in model.layers if not layer.special for path in layer.paths}
        self._alone = {layer.name: layer.special for layer in model.layers if layer.special}
        self._first: dict[str, int] = {}
        self._rows: list[tuple[str, int]] = []
        for layer in self._layers.values():
            if layer.name in self._first:
                continue
            self._first[layer.name] = len(self._rows)
            self._rows += [(layer.name, row) for row in range(layer.shape[0])]
        self._parent = list(range(len(self._rows)))
        self._why: dict[int, str] = {}  # root -> why it cannot be emptied
        self._map = dict(enumerate(self._rows))  # number -> where its activations stand, finished: (module, channel)
        self._beside: dict[int, set[tuple[str, int]]] = defaultdict(set)  # by number, not by root
        self._columns: dict[int, set[tuple[str, int, int, int]]] = defaultdict(set)
        self._numbers: dict[fx.Node, Any] = {}
        self._heads: dict[fx.Node, torch.Tensor] = {}  # of products of queries and keys: see `_product`

    def follow(self, node: fx.Node) -> None:
        """Give the numbers of what `node` gives."""
        result = self._found.get(node)
        if node.op == "output":
            self._freeze(node.args, "gives the network's answers")
        elif node.op in ("placeholder", "get_attr"):
            self._numbers[node] = _nothing(result)
        elif node.op == "call_module":
            self._numbers[node] = self._module(node, str(node.target), result)
        else:
            self._numbers[node] = self._call(node, getattr(node.target, "__name__", str(node.target)), result)
        if self._numbers.get(node) is None:  # or what it gave would be taken for numbers
            self._numbers[node] = _nothing(result)
        for arg in node.all_input_nodes:
            if arg in self._heads and getattr(result, "shape", None) == self._found[arg].shape:
                self._heads.setdefault(node, self._heads[arg])

    def _module(self, node: fx.Node, path: str, result: Any) -> Any:
        module = self._model.module.get_submodule(path)
        numbers = self._of(node.args[0])
        if module._forward_hooks or module._forward_pre_hooks:
            self._freeze(node.args, f"goes through {path}, which has hooks")
            return _nothing(result)
        if path in self._layers and isinstance(numbers, torch.Tensor):
            return self._layer(self._layers[path], path, numbers, result)
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.affine and isinstance(numbers, torch.Tensor):
            for index, number in enumerate(self._by_channel(numbers)):
                if number != _NONE:
                    self._beside[number] |= {(f"{path}.weight", index), (f"{path}.bias", index)}
                    if self._map[number] == self._rows[number]:
                        self._map[number] = path, index
            return numbers
        if isinstance(module, KEEP_ZERO) and keeps_zero(node, module, self._found):
            return numbers
        if isinstance(module, POOL):
            return self._pooled(numbers, result)
        if isinstance(module, MOVE) and isinstance(numbers, torch.Tensor):
            return module(numbers)
        self._freeze(node.args, f"goes through {type(module).__name__}, which need not keep zero")
        return _nothing(result)

    def _call(self, node: fx.Node, name: str, result: Any) -> Any:
        first: Any = self._of(node.args[0]) if node.args else None
        if name in SUMS and len(node.args) == 2 and all(isinstance(self._of(arg), torch.Tensor) for arg in node.args):
            return self._joined(self._of(node.args[0]), self._of(node.args[1]), result)
        if name in KEEP_ZERO_CALLS and keeps_zero(node, called(node), self._found):
            return first
        if name in PRODUCTS and len(node.args) == 2 and all(self._of(arg).ndim > 1 for arg in node.args):
            return self._product(node, node.args[0], first, self._of(node.args[1]), result)
        if name == "scaled_dot_product_attention" and len(node.args) == 3 and not node.kwargs.get("enable_gqa"):
            query, key, value = map(self._of, node.args)
            self._freeze(node.kwargs, "decides what attention looks at")
            self._product(node, node, query, key.transpose(-2, -1), None)
            attended = self._product(node, node, torch.full_like(value, _NONE), value, result)
            self._heads.pop(node, None)  # which gives no scores
            return attended
        if name in AVERAGES and node.args and (axes := _axes(node)) is not None:
            return self._one_of(first, axes, "is pooled over its channels").reshape(result.shape)
        if name in POOL_CALLS:
            return self._pooled(first, result)
        if name in SCALINGS and not any(isinstance(self._of(arg), torch.Tensor) for arg in node.args[1:]):
            return first
        if name in MOVE_CALLS:
            args, kwargs = fx.map_arg((node.args, node.kwargs), self._of)
            return called(node)(*args, **kwargs)
        nothing = _nothing(result)
        if nothing is not None:  # a shape or a size says nothing of values
            self._freeze((node.args, node.kwargs), f"goes through {name.strip('_')}, which need not keep zero")
        return nothing

    def _of(self, arg: Any) -> Any:
        """The numbers of a node that gives a tensor (or several); what it gave, of another one."""
        if not isinstance(arg, fx.Node):
            return arg
        numbers = self._numbers.get(arg)
        return self._found[arg] if numbers is None else numbers

    def _layer(self, layer: Layer, path: str, numbers: torch.Tensor, result: Any) -> torch.Tensor:
        first, out = self._first[layer.name], layer.shape[0]
        entering = self._by_channel(numbers, last=layer.kind == "linear")
        one_each = layer.groups > 1 and layer.shape[1] == 1
        if one_each:  # a filter for each channel: what goes in and what comes out are one
            for row in range(out):
                number = entering[row * len(entering) // out]
                if number == _NONE:
                    self._forbid(first + row, "filters what cannot be emptied, one channel each")
                else:
                    self._join(first + row, number)
        else:
            outputs, inputs = out // layer.groups, layer.shape[1]
            for channel, number in enumerate(entering):
                if number != _NONE:
                    group = channel // inputs
                    place = layer.name, group * outputs, (group + 1) * outputs, channel % inputs
                    self._columns[number].add(place)
        if f"{path}.bias" in self._model.rest:
            for row in range(out):
                self._beside[first + row].add((f"{path}.bias", row))
        rows = torch.arange(first, first + out)
        if layer.name in self._model.thresholds:
            self._freeze_numbers(rows, "gives the answers of a side exit")
        if layer.kind == "linear":
            return rows.expand(result.shape).clone()
        return rows.view(-1, *[1] * (result.ndim - 2)).expand(result.shape).clone()

    def _by_channel(self, numbers: torch.Tensor, last: bool = False) -> list[int]:
        """One number a channel; what differs inside a channel cannot be emptied."""
        rows = numbers.reshape(-1, numbers.shape[-1]).T if last else numbers.transpose(0, 1).flatten(1)
        alike = (rows == rows[:, :1]).all(1)
        for number in rows[~alike].unique().tolist():
            if number != _NONE:
                self._forbid(number, "is mixed with other channels before the next layer")
        return [int(number) if same else _NONE for number, same in zip(rows[:, 0], alike, strict=True)]

    def _pooled(self, numbers: Any, result: Any) -> Any:
        """Of one number a channel; a mean or maximum of zeros is zero."""
        if not isinstance(numbers, torch.Tensor) or not isinstance(result, torch.Tensor) or numbers.ndim < 3:
            self._freeze_numbers(numbers, "is pooled over its channels")
            return _nothing(result)
        if result.ndim < 2 or result.shape[1] != numbers.shape[1]:
            self._freeze_numbers(numbers, "is pooled over its channels")
            return _nothing(result)
        channels = torch.tensor(self._by_channel(numbers))
        return channels.view(1, -1, *[1] * (result.ndim - 2)).expand(result.shape).clone()

    def _product(self, node: fx.Node, scores: Any, first: torch.Tensor, second: torch.Tensor, result: Any) -> Any:
        """Of sums over the last axis of `first` and the last but one of `second`, as in attention.

        Where either factor of a term is zero the term is: channels along that axis go in pairs. Channels along the last
        axis of `second` are channels of the result. scores: the node of `first`; where it is made of such pairs, each
        of its matrices is that of a head.
        """
        terms = self._one_of(first, -2, "is multiplied with other channels")
        if bool((second == second[..., :1, :]).all()):
            values = second[..., :1, :]
            if scores in self._heads:
                self._join_heads(self._heads[scores], values)
            return None if result is None else values.expand(result.shape).clone()
        others = self._one_of(second, -1, "is multiplied with other channels")
        pairs = torch.stack([one.reshape(-1) for one in torch.broadcast_tensors(terms.transpose(-2, -1), others)], 1)
        for one, other in pairs.unique(dim=0).tolist():
            if _NONE not in (one, other):
                self._join(one, other)
        batch = torch.broadcast_shapes(terms.shape[:-2], others.shape[:-2])
        looking = [one.expand(*batch, *one.shape[-2:]) for one in (terms, others.transpose(-2, -1))]
        self._heads[node] = torch.cat(looking, -1)
        return _nothing(result)

    def _join_heads(self, looking: torch.Tensor, values: torch.Tensor) -> None:
        """Queries, keys and values of each of several heads; of one alone they stay apart.

        looking: [..., 1, channels], of queries and keys, which have been joined with each other. values: likewise.
        """
        batch = torch.broadcast_shapes(looking.shape[:-2], values.shape[:-2])
        heads = torch.cat([one.expand(*batch, *one.shape[-2:]) for one in (looking, values)], -1)
        heads = heads.reshape(-1, heads.shape[-1]).unique(dim=0)
        of_each = [[number for number in head if number != _NONE] for head in heads.tolist()]
        if len({frozenset(map(self._root, head)) for head in of_each}) > 1:
            for first, *others in filter(None, of_each):
                for number in others:
                    self._join(first, number)

    def _one_of(self, numbers: torch.Tensor, axes: Any, why: str) -> torch.Tensor:
        """The one number along these axes, which stay with length 1; where there are several, none is emptied."""
        low, high = numbers.amin(axes, keepdim=True), numbers.amax(axes, keepdim=True)
        self._freeze_numbers(numbers[(low != high).expand(numbers.shape)], why)
        return torch.where(low == high, low, _NONE)

    def _joined(self, first: torch.Tensor, second: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        """Of a sum: zero where both are."""
        first, second = (numbers.expand(result.shape).reshape(-1) for numbers in (first, second))
        pairs = torch.stack([first, second], 1).unique(dim=0).tolist()
        for one, other in pairs:
            if _NONE in (one, other):
                for number in {one, other} - {_NONE}:
                    self._forbid(number, "is added to what cannot be emptied")
            else:
                self._join(one, other)
        return torch.where((first == _NONE) | (second == _NONE), _NONE, first).reshape(result.shape)

    def _freeze(self, args: Any, why: str) -> None:
        fx.map_arg(args, lambda node: self._freeze_numbers(self._numbers.get(node), why))

    def _freeze_numbers(self, numbers: Any, why: str) -> None:
        for tensor in tree_leaves(numbers):
            if isinstance(tensor, torch.Tensor):
                for number in tensor.unique().tolist():
                    if number != _NONE:
                        self._forbid(number, why)

    def _forbid(self, number: int, why: str) -> None:
        self._why.setdefault(self._root(number), why)

    def _join(self, one: int, other: int) -> None:
        first, second = self._root(one), self._root(other)
        if first != second:
            self._parent[second] = first
            if second in self._why:
                self._why.setdefault(first, self._why.pop(second))

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def channels(self) -> Channels:
        """What can be emptied, in the order of the layers."""
        members: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._rows)):
            members[self._root(number)].append(number)
        clusters: dict[tuple[str, ...], list[Channel]] = defaultdict(list)
        free: set[str] = set()
        reasons: dict[str, str] = {}
        for root, numbers in members.items():
            rows = tuple(self._rows[number] for number in numbers)
            if root in self._why:
                for name, _ in rows:
                    reasons.setdefault(name, self._why[root])
                continue
            free |= {name for name, _ in rows}
            beside = sorted(set().union(*(self._beside[number] for number in numbers)))
            columns = sorted(set().union(*(self._columns[number] for number in numbers)))
            maps = tuple(self._map[number] for number in numbers)
            clusters[tuple(name for name, _ in rows)].append(Channel(rows, maps, tuple(beside), tuple(columns)))
        kept = {name: f"has outputs that cannot be emptied: the first {why}" for name, why in reasons.items()}
        kept |= {name: f"{special}, so that nobody knows what becomes of its outputs"
                 for name, special in self._alone.items()}  # fmt: skip
        return Channels(
            tuple(tuple(cluster) for cluster in clusters.values()),
            {name: why for name, why in kept.items() if name not in free},
        )


def _offsets(model: Model, graph: fx.Graph) -> dict[str, tuple[str, int]]:
    """See `Channels.offsets`. Of layers that are called once."""
    calls: dict[str, list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.op == "call_module":
            calls[str(node.target)].append(node)
    found = {}
    for layer in model.layers:
        if layer.special or len(layer.paths) != 1 or len(calls[layer.name]) != 1:
            continue
        (node,) = calls[layer.name]
        readers = [
            str(user.target) for user in node.users if user.op == "call_module" and len(calls[str(user.target)]) == 1
        ]
        if f"{layer.name}.bias" in model.rest:
            found[layer.name] = f"{layer.name}.bias", 1
        elif len(node.users) == 1 and readers and f"{readers[0]}.running_mean" in model.rest:
            found[layer.name] = f"{readers[0]}.running_mean", -1
    return found


def _axes(node: fx.Node) -> Any:
    """That an average is taken over; None for all."""
    return node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)


def _nothing(result: Any) -> Any:
    """No channel, in the shape of what an operation gave; None where there is no tensor in that."""
    if not any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(result)):
        return None
    return tree_map(lambda leaf: torch.full(leaf.shape, _NONE) if isinstance(leaf, torch.Tensor) else leaf, result)
