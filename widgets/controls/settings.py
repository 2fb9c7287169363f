"""The settings of a method on their way from and to a page: checked one by one, and without those at their default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.errors import RecipeError
from workbench.method import Method, Setting

LARGEST_NUMBER = 2**53 - 1  # beyond which a page cannot tell two whole numbers apart


def read(method: type[Method], known: Iterable[str], content: Any) -> Method:
    """The method with the settings that a page sent, each one of `known`. Raises RecipeError naming the setting."""
    known = list(known)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise RecipeError(f"The settings of {method.name} must map names to values.")
    for name, value in content.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise RecipeError(f"There is no setting {shown(name)} to choose for {method.name}; there are {listed}.")
        if not isinstance(value, str | int | float) or (isinstance(value, int) and abs(value) > LARGEST_NUMBER):
            raise RecipeError(f"{method.name}: {name} must be a text or a number, not {shown(value)}.")
        if isinstance(value, str) and value not in method.settings()[name].choices:
            raise RecipeError(f"{method.name}: {name} cannot be {shown(value)}.")
    return method(**content)


def differing(method: Method, known: Iterable[str]) -> dict[str, Any]:
    """Those of the settings `known` that are not at their default."""
    defaults = type(method)()
    return {name: getattr(method, name) for name in known if getattr(method, name) != getattr(defaults, name)}


def describe(method: type[Method], known: Iterable[str]) -> list[dict[str, Any]]:
    """What the page needs to draw a control for each of the settings `known`, the method's own before its bases'."""
    defaults = method()
    nearest: dict[str, int] = {}
    for distance, one in enumerate(method.__mro__):
        for name in vars(one).get("__annotations__", {}):
            nearest.setdefault(name, distance)
    names = sorted(known, key=nearest.__getitem__)
    return [_control(name, method.settings()[name], getattr(defaults, name)) for name in names]


def shown(value: Any) -> str:
    """`value` in an error message: never long, whatever a page sent."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _control(name: str, setting: Setting, default: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "help": setting.help,
        "unit": setting.unit,
        "choices": list(setting.choices),
        "low": setting.low,
        "high": setting.high,
        "step": setting.step,
        "default": default,
    }
