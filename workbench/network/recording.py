"""A network's forward pass, recorded as a graph of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn


class Recording(fx.Tracer):
    """Traces a module as `torch.fx.symbolic_trace` does, without replacing `nn.Module.__call__` meanwhile.

    That replacement is seen by every thread, and makes the networks that others run at the time fail.
    """

    def __init__(self, leaves: tuple[type[nn.Module], ...] = ()) -> None:
        """leaves: kinds of module that are called as a whole, beside torch's own layers."""
        super().__init__()
        self._leaves = leaves

    def record(self, module: nn.Module) -> fx.Graph:
        """The graph of one call of `module`, whose leaves have their classes exchanged while it is recorded."""
        self.root, self.tensor_attrs = module, {}
        self.graph = fx.Graph(tracer_cls=type(self))
        classes = {}
        for path, leaf in module.named_modules():
            if leaf is not module and self.is_leaf_module(leaf, path):
                classes[leaf] = type(leaf)
                leaf.__class__ = self._recorded(type(leaf), path)
        try:
            scores = module(self.create_proxy("placeholder", "x", (), {}))
        finally:
            for leaf, was in classes.items():
                leaf.__class__ = was
        self.create_node("output", "output", (self.create_arg(scores),), {})
        return self.graph

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

    class Kept(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            found[n] = super().run_node(n)
            return found[n]

    Kept(fx.GraphModule(module, graph)).run(x)
    return found


def keeps_zero(node: fx.Node, run: Callable[..., Any], found: Mapping[fx.Node, Any]) -> bool:
    """Whether what `node` calls, as `run`, makes zero of zero with the limits and weights that it has there.

    found: what every operation gives (`results`).
    """
    args, kwargs = fx.map_arg((node.args[1:], node.kwargs), lambda arg: found[arg])
    x = found[node.args[0]]  # type: ignore[index]  # of what is given to an activation
    return not bool(run(torch.zeros_like(x), *args, **kwargs).any())
