"""A network's forward pass, recorded as a graph of operations."""

from __future__ import annotations

import linecache
import operator
import traceback
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn

from workbench.names import sentence

_VALUED = {"item", "tolist", "numpy", "nonzero", "argwhere", "where", "masked_select", "unique", "unique_consecutive"}


class Recording(fx.Tracer):
    """Traces a module as `torch.fx.symbolic_trace` does, without replacing `nn.Module.__call__` meanwhile.

    That replacement is seen by every thread, and makes the networks that others run at the time fail.
    """

    def __init__(self, leaves: tuple[type[nn.Module], ...] = ()) -> None:
        """leaves: kinds of module that are called as a whole, beside torch's own layers."""
        super().__init__()
        self._leaves = leaves
        self._classes: dict[nn.Module, type[nn.Module]] = {}  # that those have whose calls are recorded
        self._met: list[tuple[torch.Tensor, dict[fx.Node, Any]]] = []  # an input, and what operations gave for it

    def record(self, module: nn.Module, example: torch.Tensor | None = None) -> fx.Graph:
        """The graph of one call of `module`, whose leaves have their classes exchanged while it is recorded.

        example: [2 or more, ...], by which Python is told the sizes and numbers that it asks for, as where a shape is
        unpacked by a star; without one it cannot ask.
        """
        self.root, self.tensor_attrs = module, {}
        self.graph = fx.Graph(tracer_cls=type(self))
        self._met = [] if example is None else [(example, {}), (example[:1], {})]
        self._classes = {
            leaf: self._recorded(type(leaf), path)
            for path, leaf in module.named_modules()
            if leaf is not module and self.is_leaf_module(leaf, path)
        }
        self._exchange()
        try:
            scores = module(self.create_proxy("placeholder", "x", (), {}))
        finally:
            self._exchange()
        self.create_node("output", "output", (self.create_arg(scores),), {})
        return self.graph

    def _exchange(self) -> None:
        """Give the leaves the other class, the one that records calls or their own."""
        for leaf, other in self._classes.items():
            self._classes[leaf], leaf.__class__ = type(leaf), other

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Value(node, self)

    def iter(self, obj: Any) -> Iterator[Any]:
        return iter([obj[place] for place in range(len(obj))])

    def count(self, node: fx.Node) -> int:
        """How many items there are of what `node` gives. Raises TraceError where that depends on the images."""
        first, *others = (len(found) for found in self._given(node))
        if any(count != first for count in others):
            raise fx.proxy.TraceError("how many there are depends on the images")
        return first

    def number(self, node: fx.Node) -> Any:
        """What `node` gives whatever the number of images. Raises TraceError where that is not one number."""
        first, *others = self._given(node)
        if not isinstance(first, int | float) or any(other != first for other in others):
            raise fx.proxy.TraceError("a number is asked for that depends on the images")
        return first

    def _given(self, node: fx.Node) -> list[Any]:
        """What `node` gives for each of the inputs, where no value of theirs decides on it, only their shape."""
        if not self._met:
            raise fx.proxy.TraceError("Python asks for what it gives")
        self._exchange()
        try:
            with torch.no_grad():
                for x, found in self._met:
                    _run(self.root, self.graph, x, found)
        finally:
            self._exchange()
        if any(_by_value(one, self._met[0][1]) for one in _before(node)):
            raise fx.proxy.TraceError("Python asks for what follows from the images' values")
        return [found[node] for _, found in self._met]

    def _recorded(self, kind: type[nn.Module], path: str) -> type[nn.Module]:
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> fx.Proxy:
            return self.create_proxy("call_module", path, args, kwargs)

        return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self._leaves) or super().is_leaf_module(m, module_qualified_name)


def called(node: fx.Node) -> Callable[..., Any]:
    """What a call of a function or a method does, as a function of its arguments."""
    return node.target if callable(node.target) else getattr(torch.Tensor, str(node.target))


def results(module: nn.Module, graph: fx.Graph, x: torch.Tensor) -> dict[fx.Node, Any]:
    """What every operation of `module`, recorded as `graph`, gives where the input is `x`."""
    found: dict[fx.Node, Any] = {}
    _run(module, graph, x, found)
    return found


def _run(module: nn.Module, graph: fx.Graph, x: torch.Tensor, found: dict[fx.Node, Any]) -> None:
    """Work out what is not `found` yet of what the operations of `graph` give."""
    for node in graph.nodes:
        if node in found:
            continue
        args, kwargs = fx.map_arg((node.args, node.kwargs), found.__getitem__)
        if node.op == "placeholder":
            found[node] = x
        elif node.op == "get_attr":
            found[node] = attrgetter(str(node.target))(module)
        elif node.op == "call_module":
            found[node] = module.get_submodule(str(node.target))(*args, **kwargs)
        else:
            found[node] = args[0] if node.op == "output" else called(node)(*args, **kwargs)


def resisting(error: Exception) -> str:
    """The kind of an error that stopped a recording, and the last line of a module's own code that led to it."""
    said = type(error).__name__
    for frame, line in traceback.walk_tb(error.__traceback__):
        module, code = frame.f_locals.get("self"), frame.f_code
        if isinstance(module, nn.Module) and not frame.f_globals.get("__name__", "").startswith("torch."):
            text = linecache.getline(code.co_filename, line).strip()
            where = f"{type(module).__name__}.{code.co_name}, line {line}"
            said = f"{type(error).__name__} in {where}{f': {text}' if text else ''}"
    return sentence(said)


def _before(node: fx.Node) -> dict[fx.Node, None]:
    """`node` and all that it follows from."""
    found, waiting = {node: None}, [node]
    while waiting:
        fresh = [arg for arg in waiting.pop().all_input_nodes if arg not in found]
        found |= dict.fromkeys(fresh)
        waiting += fresh
    return found


def _by_value(node: fx.Node, found: Mapping[fx.Node, Any]) -> bool:
    """Whether what an operation gives is a number, or of a size, that depends on values."""
    name = getattr(node.target, "__name__", str(node.target))
    indices = node.all_input_nodes[1:] if name == "getitem" else []
    return name in _VALUED or any(isinstance(found[index], torch.Tensor) for index in indices)


class _Value(fx.Proxy):
    """What an operation gives, which Python may ask for its length, or the number that it is."""

    def __len__(self) -> int:
        return self.tracer.count(self.node)  # type: ignore[attr-defined]  # a Recording

    def __float__(self) -> float:
        return float(self._number())

    def __index__(self) -> int:
        return operator.index(self._number())

    def _number(self) -> Any:
        return self.tracer.number(self.node)  # type: ignore[attr-defined]  # a Recording


def keeps_zero(node: fx.Node, run: Callable[..., Any], found: Mapping[fx.Node, Any]) -> bool:
    """Whether what `node` calls, as `run`, makes zero of zero with the limits and weights that it has there.

    found: what every operation gives (`results`).
    """
    args, kwargs = fx.map_arg((node.args[1:], node.kwargs), lambda arg: found[arg])
    x = found[node.args[0]]  # type: ignore[index]  # of what is given to an activation
    return not bool(run(torch.zeros_like(x), *args, **kwargs).any())
