"""Layers that a slider cannot move, or leaves alone until they are given a value of their own, and why."""

from __future__ import annotations

from typing import Any

from widgets.controls.position import Position
from widgets.controls.sliders import methods
from workbench.cache import Cache
from workbench.method import AXES, AxisName, Method
from workbench.network.model import Model

_found: Cache[dict[str, Any]] = Cache(ceiling=2**20)  # every update asks


def refusals(model: Model, position: Position) -> dict[AxisName, dict[str, Any]]:
    """Axis -> layer -> {"text": why, as the end of a sentence, "fixed": whether it takes no value of its own either}.

    Of the layers as they came, by the method that each slider drives now.
    """
    found = {}
    for axis in AXES:
        method = methods(axis)[position.methods[axis]](**position.options[axis])
        if left := _found.get(method, lambda method=method: _left(model, method), model):  # type: ignore[misc]
            found[axis] = left
    return found


def _left(model: Model, method: Method) -> dict[str, Any]:
    left = {}
    for layer in model.layers:
        layout = model.layout(layer)
        refusal = method.refusal(layer.form, layout)
        if model.blank and not method.outlines:
            refusal = refusal or "has no weights here, and what it would become follows from them"
        reason = refusal or method.exemption(layout)
        if reason:
            left[layer.name] = {"text": reason, "fixed": refusal is not None}
    return left
