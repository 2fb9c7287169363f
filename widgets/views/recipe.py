"""A recipe in a few words: "rank 25 %, sparsity 90 %, 4 bits (K-means weight sharing), fc1 3 bits"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from widgets.views import numbers
from workbench.method import AXES, METHODS, Axis, Method, Setting
from workbench.names import printable
from workbench.recipe import Recipe

MOST_LAYERS = 3  # that are named one by one
LEFT_OUT = {"rank": "full rank", "sparsity": "no zeros", "bits": "32 bits"}  # what a layer is that a slider spares
_PLAIN = re.compile(r"[\w.-]{1,40}")  # a layer's name that can be taken for nothing else in a list of words


def describe(recipe: Mapping[str, Any]) -> str:
    """`recipe`: the JSON object of a recipe. Steps in order; "no compression" where there is none.

    A method is named where it is not the slider's default one, a setting where it is not the method's default, a layer
    where it has values of its own. Where that still leaves something out, the first digits of the recipe's digest
    follow, so that no two recipes have one name.
    """
    steps, stored = recipe["steps"], recipe["encodings"]
    words = [_step(step) for step in steps]
    own = {layer: " and ".join(values) for layer, values in _own(steps).items()}
    told = [
        *filter(None, words),
        *_by_layer(own, "with own values"),
        *_by_layer({layer: f"stored as {encoding}" for layer, encoding in stored.items()}, "stored as chosen"),
    ]
    name = ", ".join(told) or "no compression"
    if _says_all(recipe, words):
        return name
    return f"{name} (#{Recipe.from_object(dict(recipe)).digest[:6]})"


def driven(method: type[Method]) -> tuple[str, Axis] | None:
    """The setting of a method that a slider drives, and that slider."""
    found = method.axis()
    return None if found is None or found[1].axis is None else (found[0], AXES[found[1].axis])


def called(method: type[Method]) -> str:
    """What its step is called beside others: after the slider, or else by its title."""
    slider = driven(method)
    return slider[1].name if slider else method.title


def spares_the_rest(step: Mapping[str, Any]) -> bool:
    """Whether only layers with values of their own take it, so that its own value means nothing."""
    layers, own = step["layers"], step["overrides"]
    return bool(layers) and set(layers) <= {layer for layer, values in own.items() if values}


def slider_text(axis: Axis, value: float) -> str:
    """Such as "rank 25 %", "4 bits"."""
    words = numbers.on_axis(axis, value)
    return f"{axis.name} {words.replace(' ', numbers.NBSP)}" if axis.unit == "%" else words


def setting_text(setting: Setting, value: Any) -> str:
    return f"{100 * value:g}{numbers.NBSP}%" if setting.unit == "share" else str(value)


def own_text(method: type[Method], values: Mapping[str, Any] | None) -> str:
    """A layer's own values in a step: "90 %", "3 bits"; None where the step spares it."""
    slider = driven(method)
    if values is None:
        return LEFT_OUT[slider[1].name] if slider else f"without {method.title}"
    words = []
    for name, value in values.items():
        if slider and name == slider[0]:
            words.append(slider_text(slider[1], value).removeprefix("sparsity "))
        else:
            words.append(f"{name} {setting_text(method.settings()[name], value)}")
    return " and ".join(words) or f"on its own in {called(method)}"


def layers_text(layers: Sequence[str]) -> str:
    if len(layers) > MOST_LAYERS:
        return f"{len(layers)} layers"
    return " and ".join(map(printable, layers)) or "no layer"


def _step(step: Mapping[str, Any]) -> str:
    """One step without the layers' own values; "" where nothing is left to say."""
    method, settings = METHODS[step["method"]], step["settings"]
    slider, defaults = driven(method), method()
    chosen = [
        f"{name} {setting_text(setting, settings[name])}"
        for name, setting in method.settings().items()
        if settings[name] != getattr(defaults, name) and not (slider and name == slider[0])
    ]
    within = "" if step["layers"] is None or spares_the_rest(step) else f" in {layers_text(step['layers'])}"
    if slider is None:
        return f"{method.title}{_bracketed(chosen)}{within}"
    name, axis = slider
    if method.name != axis.method:
        chosen.insert(0, method.title)
    if not spares_the_rest(step):
        return f"{slider_text(axis, settings[name])}{_bracketed(chosen)}{within}"
    return f"{axis.name}{_bracketed(chosen)}" if chosen else ""


def _bracketed(words: Sequence[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _own(steps: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """layer -> its own values in every step that it has any in."""
    found: dict[str, list[str]] = {}
    for step in steps:
        for layer, values in step["overrides"].items():
            found.setdefault(layer, []).append(own_text(METHODS[step["method"]], values))
    return found


def _by_layer(words: Mapping[str, str], what: str) -> list[str]:
    if len(words) > MOST_LAYERS:
        return [f"{len(words)} layers {what}"]
    return [f"{printable(layer)} {said}" for layer, said in words.items()]


def _says_all(recipe: Mapping[str, Any], words: Sequence[str]) -> bool:
    """Whether the words, one for each step, tell this recipe from every other one."""
    steps, stored = recipe["steps"], recipe["encodings"]
    listed = [_own(steps), stored, *(step["layers"] or () for step in steps)]
    own = [called(METHODS[step["method"]]) for step in steps if step["overrides"]]
    order = [called(METHODS[step["method"]]) for step in steps]
    return (
        all(len(layers) <= MOST_LAYERS and all(map(_PLAIN.fullmatch, layers)) for layers in listed)
        and len(set(own)) == len(own)  # else it is open in which of the steps a layer has its value
        and (all(words) or order == [axis for axis in AXES if axis in order])
        and all(map(_exact, steps))
    )


def _exact(step: Mapping[str, Any]) -> bool:
    """Whether its numbers are as they are written, and what is not written is as usual."""
    method = METHODS[step["method"]]
    shares = {
        name for name, one in method.settings().items() if one.unit == "share" or one.axis in ("rank", "sparsity")
    }
    numbers_given = [
        value
        for values in (step["settings"], *step["overrides"].values())
        for name, value in (values or {}).items()
        if name in shares
    ]
    exact = all(float(f"{100 * value:g}") / 100 == value for value in numbers_given)
    if not spares_the_rest(step):
        return exact
    slider = driven(method)
    usual = slider is None or step["settings"][slider[0]] == getattr(method(), slider[0])
    return exact and usual and list(step["layers"]) == sorted(step["overrides"])
