"""A recipe in a few words: "rank 25 %, sparsity 90 %, 4 bits"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.views import numbers
from workbench.method import AXES, METHODS, Method, Setting


def describe(recipe: Mapping[str, Any]) -> str:
    """`recipe`: the JSON object of a recipe. Steps in order; "no compression" where there is none."""
    words = [_step(step) for step in recipe["steps"]]
    overridden = {layer for step in recipe["steps"] for layer in step.get("overrides") or {}}
    if overridden:
        words.append(f"{len(overridden)} layer{'s' if len(overridden) > 1 else ''} set apart")
    return ", ".join(words) or "no compression"


def _step(step: Mapping[str, Any]) -> str:
    method, settings = METHODS[step["method"]], step["settings"]
    driven = method.axis()
    if driven is None or driven[1].axis is None or driven[0] not in settings:
        return _with_settings(method, settings)
    name, axis = driven[0], AXES[driven[1].axis]
    if step.get("layers") is not None:
        return f"{axis.name} in some layers only"
    words = numbers.on_axis(axis, settings[name])
    if axis.unit == "%":
        words = f"{axis.name} {words.replace(' ', numbers.NBSP)}"
    return f"{words} ({method.title})" if method.mode == "trained" else words


def _with_settings(method: type[Method], settings: Mapping[str, Any]) -> str:
    """The title, with the settings that are not at their default."""
    defaults = method()
    chosen = [
        f"{name} {_value(method.settings()[name], value)}"
        for name, value in settings.items()
        if value != getattr(defaults, name)
    ]
    return f"{method.title} ({', '.join(chosen)})" if chosen else method.title


def _value(setting: Setting, value: Any) -> str:
    return f"{100 * value:g}{numbers.NBSP}%" if setting.unit == "share" else str(value)
