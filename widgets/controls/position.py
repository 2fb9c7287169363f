"""Where every control stands: read from what a page sent, checked field by field, and turned into a recipe and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from widgets.controls.sliders import AXES, methods, options, shown, sliders
from workbench.errors import RecipeError
from workbench.method import Axis, Method
from workbench.recipe import DEFAULTS, Recipe

Place = tuple[Axis, str | None]  # a slider: the global one of an axis, or a layer's own

_FIELDS = ("model", "device", "stops", "methods", "options", "overrides")
_MOST_OVERRIDES = 4096


@dataclass(frozen=True)
class Position:
    """One position of the whole panel.

    stops: axis -> whole-number stop of its slider. methods: axis -> method name. options: axis -> settings of that
    method beside the slider's own, only those that differ from its defaults. overrides: layer -> axis -> stop.
    """

    model: str
    device: str
    stops: Mapping[Axis, int] = field(default_factory=lambda: {axis: one.off for axis, one in sliders().items()})
    methods: Mapping[Axis, str] = field(default_factory=lambda: {axis: DEFAULTS[axis] for axis in AXES})
    options: Mapping[Axis, Mapping[str, Any]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    overrides: Mapping[str, Mapping[Axis, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, content: Any, models: Sequence[str], devices: Sequence[str]) -> Position:
        """From a page's message. Raises RecipeError, naming the control, for anything that the page cannot mean."""
        if not isinstance(content, dict) or set(content) != set(_FIELDS):
            raise RecipeError(f"A move must hold exactly {', '.join(_FIELDS)}.")
        chosen = _per_axis("methods", content["methods"])
        stops, given = _per_axis("stops", content["stops"]), _per_axis("options", content["options"])
        ranges = sliders()
        for axis in AXES:
            _one_of(f"the {axis} method", chosen[axis], list(methods(axis)))
        return cls(
            model=_one_of("the model", content["model"], models),
            device=_one_of("the device", content["device"], devices),
            stops={axis: ranges[axis].check(stops[axis]) for axis in AXES},
            methods=chosen,
            options={axis: _options(axis, chosen[axis], given[axis]) for axis in AXES},
            overrides=_overrides(content["overrides"]),
        )

    @classmethod
    def of_recipe(cls, recipe: Recipe, model: str, device: str) -> Position | None:
        """The position at which the sliders stand for `recipe`, or None where no position gives just this recipe."""
        ranges, position = sliders(), cls(model, device)
        stops, chosen = dict(position.stops), dict(position.methods)
        given: dict[Axis, Mapping[str, Any]] = dict(position.options)
        overrides: dict[str, dict[Axis, int]] = {}
        for step in recipe.steps:
            driven = step.method.axis()
            if driven is None or driven[1].axis not in ranges:
                return None
            name, axis = driven[0], driven[1].axis
            chosen[axis] = step.method.name
            given[axis] = _differing(step.method)
            if step.layers is None:
                stops[axis] = ranges[axis].stop(getattr(step.method, name))
            for layer, own in step.overrides.items():
                value = None if own is None else own.get(name)
                overrides.setdefault(layer, {})[axis] = ranges[axis].off if value is None else ranges[axis].stop(value)
        found = cls(model, device, stops, chosen, given, overrides)
        try:
            same = found.recipe().digest == recipe.digest
        except RecipeError:
            return None
        return found if same else None

    def recipe(self) -> Recipe:
        """The recipe of this position: rank, then sparsity, then bits. Raises RecipeError."""
        ranges = sliders()
        values = {axis: ranges[axis].value(self.stops[axis]) for axis in AXES}
        return Recipe.sliders(
            sparsity=values["sparsity"],
            bits=int(values["bits"]),
            rank=values["rank"],
            methods={axis: methods(axis)[self.methods[axis]](**self.options[axis]) for axis in AXES},
            overrides={
                layer: {axis: ranges[axis].value(stop) for axis, stop in own.items()}
                for layer, own in self.overrides.items()
            },
        )

    def stop(self, place: Place) -> int:
        """Where a slider stands; a layer's own, that was not moved yet, stands where the global one does."""
        axis, layer = place
        return self.overrides.get(layer or "", {}).get(axis, self.stops[axis])

    def at(self, place: Place, stop: int) -> Position:
        """The same with one slider put at `stop`."""
        axis, layer = place
        if layer is None:
            return dataclasses.replace(self, stops={**self.stops, axis: stop})
        own = {**self.overrides.get(layer, {}), axis: stop}
        return dataclasses.replace(self, overrides={**self.overrides, layer: own})

    def moved(self, before: Position) -> Place | None:
        """The one slider that stands elsewhere than in `before`, None where there is not exactly one."""
        layers = dict.fromkeys([None, *self.overrides, *before.overrides])
        places: list[Place] = [(axis, layer) for axis in AXES for layer in layers]
        found = [place for place in places if self._set(place) != before._set(place)]
        return found[0] if len(found) == 1 else None

    def _set(self, place: Place) -> int | None:
        axis, layer = place
        return self.stops[axis] if layer is None else self.overrides.get(layer, {}).get(axis)

    @property
    def key(self) -> str:
        """The same text for the same position."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """The same fields that `read` takes."""
        return {
            "model": self.model,
            "device": self.device,
            "stops": dict(self.stops),
            "methods": dict(self.methods),
            "options": {axis: dict(one) for axis, one in self.options.items()},
            "overrides": {layer: dict(one) for layer, one in self.overrides.items()},
        }


def _per_axis(what: str, content: Any) -> dict[Axis, Any]:
    if not isinstance(content, dict) or set(content) != set(AXES):
        raise RecipeError(f"The {what} of a move must name exactly {', '.join(AXES)}.")
    return content


def _one_of(what: str, value: Any, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise RecipeError(f"There is no {shown(value)} to choose for {what}; there are {', '.join(known)}.")
    return value


def _options(axis: Axis, name: str, content: Any) -> dict[str, Any]:
    """Checked settings, without those that are the method's defaults. Raises RecipeError naming the setting."""
    method = methods(axis)[name]
    known = options(method)
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content):
        raise RecipeError(f"The options of {name} must map settings to values.")
    for option, value in content.items():
        if option not in known:
            raise RecipeError(f"{name} has no option {shown(option)}; it has {', '.join(known) or 'none'}.")
        if not isinstance(value, str | int | float):
            raise RecipeError(f"{name}: {option} must be a text or a number, not {shown(value)}.")
        if isinstance(value, str) and value not in known[option].choices:
            raise RecipeError(f"{name}: {option} cannot be {shown(value)}.")
    return _differing(method(**content))


def _differing(method: Method) -> dict[str, Any]:
    """The method's settings that are neither its slider's nor at their default."""
    defaults = type(method)()
    now = dataclasses.asdict(method)
    return {name: now[name] for name in options(type(method)) if now[name] != getattr(defaults, name)}


def _overrides(content: Any) -> dict[str, dict[Axis, int]]:
    if not isinstance(content, dict) or len(content) > _MOST_OVERRIDES:
        raise RecipeError("The overrides of a move must map layers to slider stops.")
    ranges = sliders()
    checked: dict[str, dict[Axis, int]] = {}
    for layer, own in content.items():
        if not isinstance(own, dict) or not set(own) <= set(AXES):
            raise RecipeError(f"Layer {shown(layer)}: its overrides must name some of {', '.join(AXES)}.")
        if own:
            checked[layer] = {axis: ranges[axis].check(stop, f"Layer {shown(layer)}: ") for axis, stop in own.items()}
    return checked
