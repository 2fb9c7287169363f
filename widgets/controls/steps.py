"""The steps of a recipe in their order: the three sliders, and any methods of the shelf with their settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from widgets.controls import settings
from widgets.controls.settings import differing, shown
from workbench.errors import RecipeError
from workbench.method import AXES, METHODS, AxisName, Method

MOST_ADDED = 12
_FIELDS = ("method", "settings", "on")


@dataclass(frozen=True)
class Added:
    """A step that was added to the sliders. on: whether the recipe takes it."""

    method: Method
    on: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method.name,
            "settings": differing(self.method, self.method.settings()),
            "on": self.on,
        }


Entry = AxisName | Added
SLIDERS: tuple[Entry, ...] = tuple(AXES)  # the order without any choice


def read(content: Any) -> tuple[Entry, ...]:
    """From a page's message: the name of each slider once, anywhere among the added steps. Raises RecipeError."""
    if not isinstance(content, list) or len(content) > len(AXES) + MOST_ADDED:
        raise RecipeError(f"The steps of a move must be a list of the sliders and of {MOST_ADDED} more at most.")
    names = [entry for entry in content if isinstance(entry, str)]
    if sorted(names) != sorted(AXES):
        raise RecipeError(f"The steps of a move must hold each of {', '.join(AXES)} exactly once.")
    return tuple(entry if isinstance(entry, str) else _added(entry) for entry in content)  # type: ignore[misc]


def placed(steps: Sequence[Entry]) -> tuple[Entry, ...]:
    """The same with the sliders that are not among `steps`, each behind the one that it follows by default."""
    found = list(steps)
    place = 0
    for axis in AXES:
        if axis not in found:
            found.insert(place, axis)
        place = found.index(axis) + 1
    return tuple(found)


def describe() -> list[dict[str, Any]]:
    """What the page needs to offer and draw every method of the shelf, by family: plain JSON, sent once."""
    families: dict[str, list[dict[str, Any]]] = {}
    for name, method in METHODS.items():
        family, _, _ = name.partition(".")
        families.setdefault(family, []).append(
            {
                "name": name,
                "title": method.title,
                "paper": method.paper,
                "mode": method.mode,
                "start": _start(method),
                "settings": settings.describe(method, method.settings()),
            }
        )
    return [
        {"family": family.replace("-", " ").capitalize(), "methods": methods} for family, methods in families.items()
    ]


def _start(method: type[Method]) -> dict[str, float]:
    """What is set when it is added, so that it does something: half, where its default leaves the weights as they are.

    A rank of all is no rank on a slider; as a step it is the factors in full, which take longest.
    """
    driven = method.axis()
    if driven is None or driven[1].axis is None or getattr(method(), driven[0]) != AXES[driven[1].axis].off:
        return {}
    return {driven[0]: 0.5}


def _added(content: Any) -> Added:
    if not isinstance(content, dict) or set(content) != set(_FIELDS):
        raise RecipeError(f"A step of a move must be the name of a slider, or hold exactly {', '.join(_FIELDS)}.")
    name, on = content["method"], content["on"]
    if not isinstance(name, str) or name not in METHODS:
        raise RecipeError(f"There is no method {shown(name)} to choose for a step; `workbench methods` lists them.")
    if not isinstance(on, bool):
        raise RecipeError(f"Step {name}: 'on' must be true or false, not {shown(on)}.")
    return Added(settings.read(METHODS[name], METHODS[name].settings(), content["settings"]), on)
