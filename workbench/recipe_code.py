"""A recipe as the Python that makes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.errors import RecipeError
from workbench.method import AXES, AxisName, Method
from workbench.recipe import Recipe, Step

_WIDTH = 88
_SHELF = "METHODS"


def recipe_code(recipe: Recipe) -> str:
    """Lines after which `recipe` is just this recipe: by its sliders where these give it, else step by step."""
    made = f"recipe = {_sliders(recipe) or _steps(recipe)}"
    shelf = f"from workbench.method import {_SHELF}\n" if f"{_SHELF}[" in made else ""
    return f"import workbench\n{shelf}\n{made}\n"


def _sliders(recipe: Recipe) -> str | None:
    """The call of `Recipe.sliders` that gives it, None where none does."""
    values: dict[AxisName, Any] = {}
    chosen: dict[AxisName, Method] = {}
    overrides: dict[str, dict[AxisName, Any]] = {}
    for step in recipe.steps:
        driven = step.method.axis()
        if driven is None or driven[1].axis is None or driven[1].axis in chosen:
            return None
        name, axis = driven[0], driven[1].axis
        chosen[axis] = step.method
        if step.layers is None:
            values[axis] = getattr(step.method, name)
        for layer, own in step.overrides.items():
            overrides.setdefault(layer, {})[axis] = AXES[axis].off if own is None else own.get(name)
    try:
        if Recipe.sliders(**values, methods=chosen, overrides=overrides) != recipe:
            return None
    except RecipeError:
        return None
    methods = {axis: _driving(axis, method, axis in values) for axis, method in chosen.items()}
    given: dict[str, str] = {axis: _literal(value) for axis, value in values.items()}
    given["methods"] = _mapping({axis: text for axis, text in methods.items() if text})
    given["overrides"] = _mapping({layer: _literal(own) for layer, own in overrides.items()})
    return _call("workbench.Recipe.sliders", [f"{name}={text}" for name, text in given.items() if text != "{}"])


def _driving(axis: AxisName, method: Method, driven: bool) -> str:
    """How the method of a slider is named, "" where it is the usual one. driven: whether its own value is given."""
    found = method.axis()
    name = found[0] if found and driven else None
    others = {key: value for key, value in _chosen(method).items() if key != name}
    if others:
        return _method(type(method).name, others)
    return "" if method.name == AXES[axis].method else _literal(method.name)


def _steps(recipe: Recipe) -> str:
    given = [f"({''.join(f'{_step(step)}, ' for step in recipe.steps).rstrip()})"] if recipe.steps else []
    if recipe.encodings:
        given.append(f"encodings={_literal(recipe.encodings)}")
    return _call("workbench.Recipe", given)


def _step(step: Step) -> str:
    given = [_method(step.method.name, _chosen(step.method))]
    if step.layers is not None:
        given.append(f"layers=({''.join(f'{_literal(layer)}, ' for layer in step.layers).rstrip()})")
    if step.overrides:
        given.append(f"overrides={_literal(step.overrides)}")
    return f"workbench.Step({', '.join(given)})"


def _chosen(method: Method) -> dict[str, Any]:
    """The settings that are not at their default."""
    defaults = type(method)()
    now = {name: getattr(method, name) for name in method.settings()}
    return {name: value for name, value in now.items() if value != getattr(defaults, name)}


def _method(name: str, settings: Mapping[str, Any]) -> str:
    return f"{_SHELF}[{_literal(name)}]({', '.join(f'{key}={_literal(value)}' for key, value in settings.items())})"


def _call(name: str, arguments: Iterable[str]) -> str:
    """On one line where it is short enough."""
    given = list(arguments)
    line = f"{name}({', '.join(given)})"
    if len(line) <= _WIDTH or not given:
        return line
    return f"{name}(\n" + "".join(f"    {argument},\n" for argument in given) + ")"


def _mapping(texts: Mapping[Any, str]) -> str:
    return f"{{{', '.join(f'{_literal(key)}: {text}' for key, text in texts.items())}}}"


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return _mapping({key: _literal(one) for key, one in value.items()})
    if isinstance(value, str) and not value.isprintable():
        return repr(value)
    return "None" if value is None else json.dumps(value, ensure_ascii=False)
