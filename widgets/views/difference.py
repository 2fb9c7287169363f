"""What was changed from one recipe to another, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from widgets.views.recipe import (
    LEFT_OUT,
    MOST_LAYERS,
    called,
    describe,
    driven,
    layers_text,
    own_text,
    setting_text,
    slider_text,
    spares_the_rest,
)
from workbench.method import METHODS
from workbench.names import printable

_AS_OTHERS = "as in the other layers"
Told = tuple[Any, str]  # what is compared, and how it is written


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Of two recipes as JSON objects: a sentence for each change; none where they are the same."""
    was, now = _keyed(before["steps"]), _keyed(after["steps"])
    said: list[str] = []
    for key in dict.fromkeys([*was, *now]):
        if key not in now:
            said.append(f"Without {_alone(was[key])}.")
        elif key not in was:
            said.append(f"{_capital(_alone(now[key]))} added.")
        else:
            said += _changes(was[key], now[key])
    if [key for key in was if key in now] != [key for key in now if key in was]:
        said.append(f"Another order: {', then '.join(key[0] for key in now)}.")
    was_stored, now_stored = before["encodings"], after["encodings"]
    for layer in sorted({*was_stored, *now_stored}):
        chosen, chose = (stored.get(layer, "the smallest way") for stored in (now_stored, was_stored))
        if chosen != chose:
            said.append(f"{printable(layer)} stored as {chosen} instead of {chose}.")
    return said


def _alone(step: Mapping[str, Any]) -> str:
    return describe({"version": 1, "steps": [step], "encodings": {}})


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _keyed(steps: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Each step under what makes it that of another recipe: its slider or method, and the how-manieth of these."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for step in steps:
        name = called(METHODS[step["method"]])
        found[name, sum(key[0] == name for key in found)] = step
    return found


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Of two steps with one slider or method."""
    name = _capital(called(METHODS[now["method"]]))
    before, after = _choices(was), _choices(now)  # what only one of two methods has goes with the method
    said = [_sentence(name + label, after[label], before[label]) for label in after if label in before]
    owned, owns = _own(was), _own(now)
    none: Told = (None, "as in the other layers")
    own = [
        _sentence(f"{name} in {printable(layer)}", owns.get(layer, none), owned.get(layer, none))
        for layer in dict.fromkeys([*owned, *owns])
    ]
    own = [sentence for sentence in own if sentence]
    if len(own) > MOST_LAYERS:
        own = [f"{name}: other values in {len(own)} layers."]
    return [sentence for sentence in said if sentence] + own


def _sentence(what: str, now: Told, was: Told) -> str:
    """ "" where nothing changed. Two that are written alike are told apart by their digits."""
    if now[0] == was[0]:
        return ""
    first, second = (now[1], was[1]) if now[1] != was[1] else (repr(now[0]), repr(was[0]))
    return f"{what}: {first} instead of {second}."


def _choices(step: Mapping[str, Any]) -> dict[str, Told]:
    """What was chosen for all layers: label -> choice."""
    method, settings = METHODS[step["method"]], step["settings"]
    slider, layers = driven(method), step["layers"]
    told: dict[str, Told] = {}
    if slider:
        name, axis = slider
        told[""] = (settings[name], slider_text(axis, settings[name]).removeprefix(f"{axis.name} "))
        if spares_the_rest(step):
            told[""] = (("spared", settings[name]), LEFT_OUT[axis.name])
        told[" method"] = (method.name, method.title)
    for name, value in settings.items():
        if not slider or name != slider[0]:
            told[f", {name}"] = (value, setting_text(method.settings()[name], value))
    if spares_the_rest(step) and list(layers) == sorted(step["overrides"]):
        layers = None  # which the layers' own values say
    told[", layers"] = (layers, "all" if layers is None else layers_text(layers))
    return told


def _own(step: Mapping[str, Any]) -> dict[str, Told]:
    method = METHODS[step["method"]]
    return {layer: ((values,), own_text(method, values)) for layer, values in step["overrides"].items()}
