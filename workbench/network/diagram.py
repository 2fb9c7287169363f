"""A network as a diagram: its operations, which layers each of them reads, and which results go where."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves

from workbench.cache import Cache
from workbench.models.exits import passing
from workbench.names import printable
from workbench.network.model import Model
from workbench.network.recording import Recording, resisting, results

_TITLES = {
    "add": "+", "iadd": "+", "add_": "+", "sub": "−", "isub": "−", "mul": "×", "imul": "×", "truediv": "÷",
    "cat": "concat", "concat": "concat", "matmul": "matmul", "scaled_dot_product_attention": "attention",
}  # fmt: skip
_diagrams: Cache[Diagram] = Cache(ceiling=2**22)


@dataclass(frozen=True)
class Node:
    """An operation. title: of its module's class, or its function. layers: those whose weights it reads.

    shape: of what it gives, without the batch; None where that is no single tensor. sources: places of the nodes whose
    results it takes.
    """

    title: str
    layers: tuple[str, ...]
    shape: tuple[int, ...] | None
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Diagram:
    """The nodes, each after those that it takes results from. note: what it does not show, as a sentence; or ""."""

    nodes: tuple[Node, ...]
    note: str = ""

    @property
    def nbytes(self) -> int:
        """About what it takes in a cache."""
        return 400 * len(self.nodes)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of places: from where a result comes, and who takes it; each pair once."""
        pairs = ((source, place) for place, node in enumerate(self.nodes) for source in node.sources)
        return tuple(dict.fromkeys(pairs))


def diagram(model: Model) -> Diagram:
    """The diagram of a model, recorded once; where that cannot be done, its layers in their order, and a note."""
    return _diagrams.get("diagram", lambda: _diagram(model), model)


def _diagram(model: Model) -> Diagram:
    try:
        module = copy.deepcopy(model.module)  # whose leaves are exchanged while it is recorded
        with passing(module), torch.no_grad():
            graph = Recording().record(module, torch.cat([model.example] * 2))
            found = results(module, graph, model.example)
        nodes = tuple(_Nodes(model, module, found).nodes(graph))
        return Diagram(nodes, _missing(model, nodes))
    except Exception as error:  # a user's module may resist in any way
        return _in_order(model, resisting(error))


def _missing(model: Model, nodes: tuple[Node, ...]) -> str:
    drawn = {name for node in nodes for name in node.layers}
    missing = [repr(printable(layer.name)) for layer in model.layers if layer.name not in drawn]
    if not missing:
        return ""
    return f"Not drawn, since other tensors are made of their weights first: {', '.join(missing)}."


def _in_order(model: Model, error: str) -> Diagram:
    nodes = [Node("Input", (), model.input_shape, ())]
    for layer in model.layers:
        shape = layer.calls[-1].output_shape[1:] if layer.calls else None
        nodes.append(Node(layer.kind, (layer.name,), shape, (len(nodes) - 1,)))
    nodes.append(Node("Output", (), None, (len(nodes) - 1,)))
    note = (
        f"The way through this network cannot be recorded ({error}): only its layers are drawn, in order of first use."
    )
    return Diagram(tuple(nodes), note)


class _Nodes:
    """The nodes of a recorded graph. What depends on no input is left out, but for the layers that it reads."""

    def __init__(self, model: Model, module: nn.Module, found: Mapping[fx.Node, Any]) -> None:
        self._module, self._found = module, found
        self._paths = {path: layer.name for layer in model.layers for path in layer.paths}
        self._parameters = {layer.parameter: layer.name for layer in model.layers}
        self._constants: dict[fx.Node, tuple[str, ...]] = {}  # what depends on no input -> the layers that it reads
        self._sources: dict[fx.Node, tuple[int, ...]] = {}  # anything else -> places of the nodes that it comes from
        self._count = 0

    def nodes(self, graph: fx.Graph) -> Iterator[Node]:
        for node in graph.nodes:
            sources = tuple(
                dict.fromkeys(place for one in node.all_input_nodes for place in self._sources.get(one, ()))
            )
            layers = tuple(dict.fromkeys(self._layers(node)))
            if node.op == "get_attr" or (not sources and node.op not in ("placeholder", "output")):
                self._constants[node] = layers
            elif node.op != "output" and self._passes(node):
                self._sources[node] = sources
            else:
                yield Node(self._title(node), layers, _shape(self._result(node)), sources)
                self._sources[node] = (self._count,)
                self._count += 1

    def _layers(self, node: fx.Node) -> Iterator[str]:
        for one in node.all_input_nodes:
            yield from self._constants.get(one, ())
        target = str(node.target)
        if node.op == "get_attr" and target in self._parameters:
            yield self._parameters[target]
        if node.op == "call_module" and target in self._paths:
            yield self._paths[target]
        elif node.op == "call_module":  # a cell, or attention, that holds several
            yield from (name for path, name in self._parameters.items() if path.startswith(f"{target}."))

    def _passes(self, node: fx.Node) -> bool:
        """Whether it gives a size, or what its source gave."""
        tensors = [leaf for leaf in tree_leaves(self._found[node]) if isinstance(leaf, torch.Tensor)]
        if not tensors or (node.op == "call_module" and isinstance(self._called(node), nn.Identity)):
            return True
        picks = getattr(node.target, "__name__", "") == "getitem"
        return picks and isinstance(node.args[0], fx.Node) and not isinstance(self._found[node.args[0]], torch.Tensor)

    def _called(self, node: fx.Node) -> nn.Module:
        return self._module.get_submodule(str(node.target))

    def _result(self, node: fx.Node) -> Any:
        given = node.args[0] if node.op == "output" else node
        return self._found.get(given) if isinstance(given, fx.Node) else None

    def _title(self, node: fx.Node) -> str:
        if node.op == "placeholder":
            return "Input"
        if node.op == "output":
            return "Output"
        if node.op == "call_module":
            return type(self._called(node)).__name__
        name = str(getattr(node.target, "__name__", node.target))
        return _TITLES.get(name, name.strip("_"))


def _shape(result: Any) -> tuple[int, ...] | None:
    tensors = [leaf for leaf in _flat(result) if isinstance(leaf, torch.Tensor)]
    return tuple(tensors[0].shape[1:]) if tensors else None


def _flat(result: Any) -> Iterable[Any]:
    return tree_leaves(result)
