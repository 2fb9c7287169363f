"""A recipe in a few words: "rank 25 %, sparsity 90 %, 4 bits"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.views import numbers
from workbench.method import METHODS


def describe(recipe: Mapping[str, Any]) -> str:
    """`recipe`: the JSON object of a recipe. Steps in order; "no compression" where there is none."""
    words = [_step(step) for step in recipe["steps"]]
    overridden = {layer for step in recipe["steps"] for layer in step.get("overrides") or {}}
    if overridden:
        words.append(f"{len(overridden)} layer{'s' if len(overridden) > 1 else ''} set apart")
    return ", ".join(words) or "no compression"


def _step(step: Mapping[str, Any]) -> str:
    method = METHODS[step["method"]]
    driven = method.axis()
    if driven is None or step["settings"].get(driven[0]) is None:
        return method.title
    name, setting = driven
    value = step["settings"][name]
    if step.get("layers") is not None:
        return f"{setting.axis} in some layers only"
    return f"{value} bit{'s' if value > 1 else ''}" if setting.axis == "bits" else f"{setting.axis} {_share(value)}"


def _share(value: float) -> str:
    return f"{100 * value:g}{numbers.NBSP}%"
