"""How much each layer minds being compressed alone, in words and shares for the strip of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from widgets.views import numbers
from workbench.method import AXES, AxisName
from workbench.search.sensitivity import Sensitivity


def layers(found: Sequence[Sensitivity], axis: AxisName) -> dict[str, Any]:
    """{"layers", "order"}: every layer measured so far, and their names, the most sensitive first.

    Layers are compared by their mean loss at the values at which all of them have been measured. share: of the largest
    such loss, 0..1; of a cell, of the largest loss of all.
    """
    by_layer: dict[str, list[Sensitivity]] = {}
    for one in found:
        by_layer.setdefault(one.layer, []).append(one)
    shared = set.intersection(*({one.value for one in cells} for cells in by_layer.values())) if by_layer else set()
    losses = {name: _mean([one for one in cells if one.value in shared]) for name, cells in by_layer.items()}
    most, largest = max(losses.values(), default=0.0), max((_loss(one) for one in found), default=0.0)
    rows = [
        {
            "layer": name,
            "share": losses[name] / most if most else 0.0,
            "text": _said(cells, axis),
            "cells": [_cell(one, axis, largest) for one in cells],
        }
        for name, cells in by_layer.items()
    ]
    return {"layers": rows, "order": sorted(losses, key=lambda name: -losses[name])}


def _cell(one: Sensitivity, axis: AxisName, largest: float) -> dict[str, Any]:
    change = one.change
    return {
        "value": one.value,
        "share": _loss(one) / largest if largest else 0.0,
        "text": numbers.points(change.value),
        "range": f"{numbers.points(change.low)} to {numbers.points(change.high)}",
        "clear": change.clear,
    }


def _said(cells: Sequence[Sensitivity], axis: AxisName) -> str:
    """Of the harshest value at which the layer has been measured."""
    harshest = max(cells, key=lambda one: AXES[axis].direction * one.value)
    at = numbers.on_axis(AXES[axis], harshest.value)
    if not harshest.change.clear:
        return f"no clear change at {at}"
    return f"{'loses' if harshest.change.value < 0 else 'gains'} {_size(harshest.change.value)} at {at}"


def _size(change: float) -> str:
    return numbers.points(abs(change)).removeprefix("+")


def _loss(one: Sensitivity) -> float:
    return max(0.0, -one.change.value)


def _mean(cells: Sequence[Sensitivity]) -> float:
    return sum(map(_loss, cells)) / len(cells) if cells else 0.0
