"""A network's forward pass as a list of operations that can be left after any of them and taken up again there."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from workbench.accuracy.fused import follows
from workbench.accuracy.network import Live
from workbench.accuracy.pooling import SlicedMaxPool
from workbench.network.recording import Recording, results

Segment = Callable[..., Live]


class Slot(nn.Module):
    """The place of one layer: calls whatever stands there now, so that a graph need not be rebuilt for a new one.

    layer: the one that stood here first. after: what is done to its outputs in this place, too.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.body = layer
        self._layer = (layer,)
        self.after: tuple[nn.Module, ...] = ()

    @property
    def layer(self) -> nn.Module:
        return self._layer[0]

    def forward(self, x: Any) -> Any:
        return self.body(x)


class Graph:
    """The operations of `module` [batch] -> scores, in the order in which they run.

    A cut is the number of operations before it; what the later ones need is live there. Raises whatever tracing raises
    for a forward pass that Python decides on values (torch.fx.symbolic_trace), and ValueError where one of `layers` is
    not called as a module of its own.

    layers: path of each layer -> paths of other modules that use its weight. example: [2 or more, ...], see
    `Recording.record`. module: is changed; its layers become `slots`. first_use: layer -> the number of the first
    operation that needs its weight.
    """

    def __init__(
        self, module: nn.Module, layers: Mapping[str, Sequence[str]], example: torch.Tensor | None = None
    ) -> None:
        for one in module.modules():
            if getattr(one, "inplace", False):  # would overwrite an activation that is kept
                one.inplace = False  # type: ignore[assignment]
        self.slots = {path: Slot(module.get_submodule(path)) for path in layers}
        for path, slot in self.slots.items():
            module.set_submodule(path, slot)
        self.module = module
        traced = Recording((Slot, SlicedMaxPool)).record(module, example)
        for path, others in layers.items():
            if not others:
                _take_in(traced, path, self.slots[path], module)
        operations = [node for node in traced.nodes if node.op not in ("placeholder", "get_attr", "output")]
        self._traced = traced
        self.inputs = [node for node in traced.nodes if node.op == "placeholder"][:1]
        (self.output,) = (node for node in traced.nodes if node.op == "output")
        self.operations = operations
        self._at = {node: number for number, node in enumerate(operations)}
        called = {str(node.target): number for node, number in reversed(self._at.items()) if node.op == "call_module"}
        missing = [path for path in layers if path not in called]
        if missing:
            raise ValueError(f"Layer {missing[0]!r} is not called as a module of its own.")
        self.first_use = {
            path: min(called[one] for one in (path, *others) if one in called) for path, others in layers.items()
        }
        self.mutates = any(
            node.target is operator.setitem
            or (node.op == "call_method" and str(node.target).endswith("_"))
            or node.kwargs.get("inplace") is True
            for node in operations
        )
        self._segments: dict[tuple[int, int | None], Segment] = {}

    def run(self, live: Live, start: int, stop: int | None = None) -> Live:
        """From the values live at cut `start` to those at `stop`; to the scores, alone in a tuple, where it is None."""
        key = start, stop
        if key not in self._segments:
            self._segments[key] = self._segment(start, stop)
        return self._segments[key](*live)

    def results(self, x: torch.Tensor) -> dict[fx.Node, Any]:
        """What every operation gives where the input is `x`."""
        return results(self.module, self._traced, x)

    def sizes(self, x: torch.Tensor) -> list[int]:
        """Bytes that are live at each cut, from 0 to the number of operations, where the input is `x`."""
        found = self.results(x)
        cuts = range(len(self.operations) + 1)
        return [sum(getattr(found[node], "nbytes", 0) for node in self.live(cut)) for cut in cuts]

    def live(self, cut: int) -> list[fx.Node]:
        """What is computed before the cut and used after it, in a fixed order."""
        return [
            node
            for node in (*self.inputs, *self.operations[:cut])
            if any(user is self.output or self._at[user] >= cut for user in node.users)
        ]

    def _segment(self, start: int, stop: int | None) -> Segment:
        graph = fx.Graph()
        copies = {node: graph.placeholder(node.name) for node in self.live(start)}

        def copied(node: fx.Node) -> fx.Node:
            if node not in copies:  # a parameter or buffer, which is read where it is needed
                copies[node] = graph.node_copy(node)
            return copies[node]

        for node in self.operations[start:stop]:
            copies[node] = graph.node_copy(node, copied)
        if stop is None:
            graph.output(fx.map_arg(self.output.args, copied))
        else:
            graph.output(tuple(copies[node] for node in self.live(stop)))
        return fx.GraphModule(self.module, graph).forward


def _take_in(traced: fx.Graph, path: str, slot: Slot, module: nn.Module) -> None:
    """Move the operations that can be worked into a layer's own into its slot."""
    calls = [node for node in traced.nodes if node.op == "call_module" and node.target == path]
    while len(calls) == 1 and len(calls[0].users) == 1:
        (user,) = calls[0].users
        if user.op != "call_module" or user.args != (calls[0],) or user.kwargs:
            break
        one = module.get_submodule(str(user.target))
        if not follows(slot.layer, slot.after, one):
            break
        slot.after += (one,)
        user.replace_all_uses_with(calls[0])
        traced.erase_node(user)
    if slot.after:
        slot.body = nn.Sequential(slot.layer, *slot.after)
