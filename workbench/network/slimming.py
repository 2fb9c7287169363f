"""Running a network without its dead channels: the same answers from smaller layers, where the graph allows it."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves

from workbench.network.model import Model
from workbench.network.narrowing import Joint, Narrowing, worth
from workbench.network.operators import KEEP_ZERO_CALLS
from workbench.network.recording import Recording, resisting, results
from workbench.network.simulated import round_inputs, simulated
from workbench.network.smaller import Narrowable
from workbench.weights.crossing import Crossing
from workbench.weights.form import Form
from workbench.weights.part import Part

TOLERANCE = 1e-5  # of the largest answer
_IMAGES = 2  # of the example: what a batch holds and what is a channel must not be mistaken for each other
_IN_PLACE = {"relu_", "add_", "sub_", "mul_", "iadd", "isub", "imul", "itruediv"}


@dataclass(frozen=True)
class Slimmed:
    """A network that runs without dead channels. crossings: what is left of each layer that became smaller, by name.

    notes: on layers that run with dead channels, or whose channels are put together again, the rest of a sentence.
    """

    module: nn.Module
    crossings: Mapping[str, Crossing] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def said_of(self, layer: str) -> str:
        """Sentences on how a layer runs; "" where it runs as it came."""
        said = []
        if layer in self.crossings:
            pairs = zip(self.crossings[layer].left, self.crossings[layer].shape, ("outputs", "inputs"), strict=True)
            fewer = [f"{left} of {whole} {what}" for left, whole, what in pairs if left < whole]
            said.append(f"Runs with {' and '.join(fewer)}.")
        if layer in self.notes:
            said.append(f"It {self.notes[layer]}.")
        return " ".join(said)


def narrowable(form: Form, skips_zeros: bool = False) -> Narrowable:
    """What a layer stored in this form may leave out as it runs: where weights share a scale, all of them or none.

    skips_zeros: whether its kernel does that, so that dead channels take it no time.
    """
    entering = form.entering
    if entering is not None and entering.by_window:  # its sums follow from the mean over all channels
        return Narrowable(rows=False, columns=False)
    first, last = form.parts[0], form.parts[-1]
    return Narrowable(
        rows=_within(last, whole=True),
        columns=_within(first, whole=False),
        zero_stays=entering is None or not entering.entered(np.zeros((1, 1), np.float32)).any(),
        rounds=entering is not None,
        skips_zeros=skips_zeros,
    )


def _within(part: Part, whole: bool) -> bool:
    levels = part.levels
    if levels is None or not levels.code_per_weight:
        return True
    return levels.within(part.shape, np.arange(part.shape[0]), whole) is not None


def slimmed(model: Model, forms: Mapping[str, Form], module: nn.Module, may: Mapping[str, Narrowable]) -> Slimmed:
    """`module`, the network of these forms with inputs that are not rounded yet, without channels that they leave dead.

    may: what each layer may leave out; one in whose place nothing else may stand leaves out nothing. A network without
    dead channels, one whose graph cannot be followed, and one that would answer otherwise is the module itself.
    """
    dead = [layer.name for layer in model.layers if layer.called and _has_dead(forms[layer.name])]
    if not dead:
        return Slimmed(module)
    nothing = Narrowable(rows=False, columns=False)
    layers = {layer.name: nothing if layer.special else may[layer.name] for layer in model.layers if not layer.aliases}
    try:
        graph = _Layers(layer.name for layer in model.layers).record(module, model.noise(_IMAGES))
        reason = _overwrites(module, graph) if model.calling is None else "it has several inputs or answers"
        if reason is None:
            with torch.no_grad():
                return _narrowed(model, module, graph, layers, dead)
    except Exception as error:  # a user's module may resist in any way
        reason = f"the network's graph cannot be followed ({resisting(error)})"
    return _as_it_is(module, dead, reason)


def simulated_slim(model: Model, forms: Mapping[str, Form]) -> Slimmed:
    """As `simulated` gives it, without dead channels."""
    whole = simulated(model, {name: form.with_entering(None) for name, form in forms.items()})
    plain = {name: form.with_parts([Part(part.values) for part in form.parts]) for name, form in forms.items()}
    may = {name: narrowable(form) for name, form in plain.items()}
    slim = slimmed(model, forms, whole, may)
    round_inputs(slim.module, model, forms)
    return slim


def _as_it_is(module: nn.Module, dead: Iterable[str], reason: str) -> Slimmed:
    return Slimmed(module, notes=dict.fromkeys(dead, f"runs with its dead channels: {reason}"))


def _narrowed(
    model: Model, module: nn.Module, graph: fx.Graph, layers: Mapping[str, Narrowable], dead: list[str]
) -> Slimmed:
    found = results(module, graph, model.noise(_IMAGES))
    held: dict[str, Joint] = {}
    while True:
        narrowing = Narrowing(module, graph, found, layers, frozenset(held))
        poor = [joint for joint in narrowing.joints if not worth(joint, narrowing.saved)]
        fresh = {name: joint for joint in poor for name in joint.layers if name not in held}
        if not fresh:
            break
        held |= fresh
    if not narrowing.crossings:
        return Slimmed(module, notes=_kept(held, dead))
    network = narrowing.network()
    x = model.noise(_IMAGES + 1)
    x = 2 * x - 1 if x.is_floating_point() else x
    if not all(_alike(module(images), network(images)) for images in (x, x[:1])):
        return _as_it_is(module, dead, "without them it would answer otherwise")
    joined = {name: f"has its channels put together again before {joint.before!r}, which needs to see all of them"
              for joint in narrowing.joints for name in joint.layers}  # fmt: skip
    return Slimmed(network, narrowing.crossings, joined | _kept(held, dead))


def _kept(held: Mapping[str, Joint], dead: Iterable[str]) -> dict[str, str]:
    return {
        name: f"runs with its dead channels: {held[name].before!r} needs to see them, and putting them in takes longer"
        for name in dead
        if name in held
    }


class _Layers(Recording):
    """Takes the layers as a whole, whatever stands in their places."""

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__()
        self._paths = frozenset(paths)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._paths or super().is_leaf_module(m, module_qualified_name)


def _has_dead(form: Form) -> bool:
    return not form.parts[-1].alive[0].all() or not form.parts[0].alive[1].all()


def _overwrites(module: nn.Module, graph: fx.Graph) -> str | None:
    """Why the graph cannot be followed, where an activation is written over that something else reads."""
    for node in graph.nodes:
        name = getattr(node.target, "__name__", str(node.target))
        if node.op == "call_module":
            writes = bool(getattr(module.get_submodule(str(node.target)), "inplace", False))
        else:
            method = name.endswith("_") and not name.endswith("__") and name not in _IN_PLACE
            if node.target is operator.setitem or "out" in node.kwargs or method:
                return f"{node.name!r} writes over an activation"
            asked = node.kwargs.get("inplace", False) or (name in KEEP_ZERO_CALLS and True in node.args[1:])
            writes = name in _IN_PLACE or bool(asked)
        if writes and isinstance(node.args[0], fx.Node) and len(node.args[0].users) > 1:
            return f"{node.name!r} writes over an activation that something else reads"
    return None


def _alike(expected: Any, found: Any) -> bool:
    """Whether answers are the same to within rounding."""
    pairs = list(zip(tree_leaves(expected), tree_leaves(found), strict=True))
    scale = max(
        (float(one.abs().max()) for one, _ in pairs if isinstance(one, torch.Tensor) and one.numel()), default=0.0
    )
    return all(
        one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=TOLERANCE * scale)
        if isinstance(one, torch.Tensor)
        else one == other
        for one, other in pairs
    )
