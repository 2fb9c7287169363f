"""Goals as a page sends them, or as people type them: one limit a measure, in its base unit."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from widgets.controls.settings import shown
from widgets.views.measures import measures
from workbench.errors import RecipeError
from workbench.report.figures import Metric

_PREFIXES = {
    "p": 1e-12, "n": 1e-9, "µ": 1e-6, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
_UNITS = {"bytes": ("bytes", "byte", "B"), "J": ("J",), "s": ("s",), "share": ("%",)}
_TYPED = re.compile(r"\s*(\d[\d,]*\.?\d*|\.\d+)\s*(.*?)\s*")


def read(content: Any) -> dict[str, float]:
    """Limits as a page sends them, by measure. Raises RecipeError naming what is wrong."""
    if not isinstance(content, dict):
        raise RecipeError("The goals must map measures to limits.")
    return {measure(name).name: _checked(name, limit) for name, limit in content.items()}


def measure(name: Any) -> Metric:
    """The one of that name. Raises RecipeError."""
    if not isinstance(name, str) or name not in measures():
        raise RecipeError(f"There is no measure {shown(name)}; there are {', '.join(measures())}.")
    return measures()[name]


def typed(text: Any, metric: Metric, like: str = "") -> float | None:
    """The limit that somebody typed, such as "50 kB" or "98 %"; None where the field was emptied.

    like: a figure as it is written, "1,066 kB"; a number without a unit is taken to be in that one's. A share is taken
    to be in per cent. Raises RecipeError with a sentence for what is no such figure.
    """
    if not isinstance(text, str) or len(text) > 40:
        raise RecipeError(f"A limit must be a short text, not {shown(text)}.")
    if not text.strip():
        return None
    found = _TYPED.fullmatch(text.replace("\u00a0", " "))
    if found is None:
        raise _no_figure(text, metric)
    unit = found[2] or (like.replace("\u00a0", " ").partition(" ")[2])
    return _checked(metric.name, float(found[1].replace(",", "")) * _factor(unit, metric, text))


def _factor(unit: str, metric: Metric, text: str) -> float:
    if metric.unit == "share":
        if unit not in ("", "%"):
            raise _no_figure(text, metric)
        return 0.01
    for name in (*_UNITS.get(metric.unit, (metric.unit, metric.unit.removesuffix("s"))), ""):
        prefix = unit.removesuffix(name).strip() if unit.endswith(name) else None
        if prefix in _PREFIXES:
            return _PREFIXES[prefix]
    raise _no_figure(text, metric)


def _checked(name: str, limit: Any) -> float:
    number = isinstance(limit, int | float) and not isinstance(limit, bool)
    if not number or not 0 <= limit <= sys.float_info.max:  # a whole number may be larger than any other
        raise RecipeError(f"The limit of {name} must be a number from 0 up, not {shown(limit)}.")
    return float(limit)


def _no_figure(text: str, metric: Metric) -> RecipeError:
    example = {"share": "98 %", "bytes": "50 kB", "J": "2 µJ", "s": "30 µs"}.get(metric.unit, "1.5 M")
    return RecipeError(f"{shown(text)} is no {metric.title.lower()}; write one like {example}.")


def merged(limits: Mapping[str, float], name: str, limit: float | None) -> dict[str, float]:
    """`limits` with one of them set, or taken away."""
    rest = {other: value for other, value in limits.items() if other != name}
    return rest if limit is None else {**rest, name: limit}
