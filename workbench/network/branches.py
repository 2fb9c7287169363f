"""Where a network's branches are added to each other or put side by side, found by following its graph backwards.

A branch ends in a layer, the norms behind it and whatever keeps zero, and nothing else reads any of that: so the
network goes on without it where its last map is zero.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from workbench.evidence import Channel, Joint
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.operators import KEEP_ZERO, KEEP_ZERO_CALLS, POOL, POOL_CALLS
from workbench.network.recording import Recording, called, keeps_zero, results

_SUMS = {"add", "iadd", "add_"}
_SIDE_BY_SIDE = {"cat", "concat"}
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def joints(model: Model) -> tuple[Joint, ...]:
    """Those of `model`, in the order of its graph; none where that cannot be recorded."""
    try:
        module = copy.deepcopy(model.module)  # whose leaves are exchanged while it is recorded
        graph = Recording().record(module, model.noise(2))
        with torch.no_grad():
            found = results(module, graph, model.noise())
        layers = {path: layer for layer in model.layers if not layer.special for path in layer.paths}
        met = [_joint(node, layers, model, found) for node in graph.nodes]
    except Exception:  # a user's module may resist in any way
        return ()
    return tuple(joint for joint in met if joint is not None)


def _joint(node: fx.Node, layers: Mapping[str, Layer], model: Model, found: Mapping[fx.Node, Any]) -> Joint | None:
    name = getattr(node.target, "__name__", str(node.target))
    if node.op not in ("call_function", "call_method") or name not in _SUMS | _SIDE_BY_SIDE:
        return None
    entering = node.args[0] if name in _SIDE_BY_SIDE else node.args[:2]
    if not isinstance(entering, list | tuple) or len(entering) < 2:
        return None
    branches = [_branch(one, layers, model, found) if isinstance(one, fx.Node) else None for one in entering]
    ends = tuple(branch for branch in branches if branch is not None)
    return Joint(ends, alone=len(ends) == len(branches)) if ends else None


def _branch(node: fx.Node, layers: Mapping[str, Layer], model: Model, found: Mapping[fx.Node, Any]) -> Channel | None:
    """All output channels of the layer from which `node` comes, to be emptied together; None where it is no branch."""
    norms: list[str] = []
    while len(node.users) == 1:
        path = str(node.target)
        module = model.module.get_submodule(path) if node.op == "call_module" else None
        if module is not None and (module._forward_hooks or module._forward_pre_hooks):
            return None
        if path in layers and module is not None:
            layer = layers[path]
            return None if layer.aliases or len(layer.calls) > 1 else _whole(layer, norms, model)
        if isinstance(module, _NORMS) and module.affine:
            norms.append(path)
        elif module is not None:
            if not isinstance(module, KEEP_ZERO + POOL) or not keeps_zero(node, module, found):
                return None
        else:
            name = getattr(node.target, "__name__", path)
            if name not in KEEP_ZERO_CALLS | POOL_CALLS or not keeps_zero(node, called(node), found):
                return None
        if not isinstance(node.args[0], fx.Node):
            return None
        node = node.args[0]
    return None


def _whole(layer: Layer, norms: list[str], model: Model) -> Channel:
    out = range(layer.shape[0])
    tensors = [f"{path}.{leaf}" for path in norms for leaf in ("weight", "bias")]
    tensors += [f"{layer.name}.bias"] if f"{layer.name}.bias" in model.rest else []
    last = norms[0] if norms else layer.name
    return Channel(
        rows=tuple((layer.name, row) for row in out),
        maps=tuple((last, row) for row in out),
        beside=tuple(sorted((tensor, row) for tensor in tensors for row in out)),
        columns=(),
    )
