"""Where every control stands: read from what a page sent, checked field by field, and turned into a recipe and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from widgets.controls import settings, steps
from widgets.controls.settings import differing, shown
from widgets.controls.sliders import methods, options, sliders
from widgets.controls.steps import MOST_ADDED, SLIDERS, Added, Entry, placed
from workbench.errors import RecipeError
from workbench.method import AXES, AxisName
from workbench.recipe import Recipe, Step, slider_step

Place = tuple[AxisName, str | None]  # a slider: the global one of an axis, or a layer's own

_FIELDS = ("model", "device", "stops", "methods", "options", "overrides", "steps")
_MOST_OVERRIDES = 4096


@dataclass(frozen=True)
class Position:
    """One position of the whole panel.

    stops: axis -> whole-number stop of its slider. methods: axis -> method name. options: axis -> settings of that
    method beside the slider's own, only those that differ from its defaults. overrides: layer -> axis -> stop.
    steps: in the order in which they are taken, each slider by its name and the added ones among them.
    """

    model: str
    device: str
    stops: Mapping[AxisName, int] = field(
        default_factory=lambda: {axis: slider.off for axis, slider in sliders().items()}
    )
    methods: Mapping[AxisName, str] = field(default_factory=lambda: {name: axis.method for name, axis in AXES.items()})
    options: Mapping[AxisName, Mapping[str, Any]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    overrides: Mapping[str, Mapping[AxisName, int]] = field(default_factory=dict)
    steps: tuple[Entry, ...] = SLIDERS

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
            steps=steps.read(content["steps"]),
        )

    @classmethod
    def of_recipe(cls, recipe: Recipe, model: str, device: str) -> Position | None:
        """The position at which the controls stand for `recipe`, or None where no position gives just this recipe.

        Each slider stands for the first step that it can give, or for the one that has layers of its own; every other
        step was added. A slider that is off stands where it would without any choice.
        """
        position = cls(model, device)
        stops, chosen = dict(position.stops), dict(position.methods)
        given: dict[AxisName, Mapping[str, Any]] = dict(position.options)
        overrides: dict[str, dict[AxisName, int]] = {}
        found = [_of_step(step) for step in recipe.steps]
        taken = {axis: index for axis in AXES if (index := _slider_of(axis, recipe.steps, found)) is not None}
        entries: list[Entry] = []
        for index, (step, slider) in enumerate(zip(recipe.steps, found, strict=True)):
            if slider is not None and taken[slider.axis] == index:
                axis = slider.axis
                stops[axis], chosen[axis] = slider.stop, step.method.name
                given[axis] = differing(step.method, options(type(step.method)))
                for layer, stop in slider.overrides.items():
                    overrides.setdefault(layer, {})[axis] = stop
                entries.append(axis)
            elif step.layers is None and not step.overrides:
                entries.append(Added(step.method))
            else:
                return None
        if recipe.encodings or len(entries) > len(taken) + MOST_ADDED:
            return None
        return cls(model, device, stops, chosen, given, overrides, placed(entries))

    def recipe(self) -> Recipe:
        """The recipe of this position. Raises RecipeError."""
        taken: list[Step] = []
        for entry in self.steps:
            if not isinstance(entry, Added):
                taken += self._slider_step(entry)
            elif entry.on:
                taken.append(Step(entry.method))
        return Recipe(tuple(taken))

    def _slider_step(self, axis: AxisName) -> tuple[Step, ...]:
        slider = sliders()[axis]
        method = methods(axis)[self.methods[axis]](**self.options[axis])
        own = {layer: {axis: slider.value(stops[axis])} for layer, stops in self.overrides.items() if axis in stops}
        return slider_step(axis, slider.value(self.stops[axis]), method, own)

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
            "options": {axis: dict(chosen) for axis, chosen in self.options.items()},
            "overrides": {layer: dict(own) for layer, own in self.overrides.items()},
            "steps": [entry.to_dict() if isinstance(entry, Added) else entry for entry in self.steps],
        }


@dataclass(frozen=True)
class _OfSlider:
    """A step as a slider gives it. overrides: layer -> its own stop."""

    axis: AxisName
    stop: int
    overrides: Mapping[str, int]


def _of_step(step: Step) -> _OfSlider | None:
    """Where the slider stands that gives just this step, None where none does."""
    driven = step.method.axis()
    if driven is None or driven[1].axis is None or step.method.name not in methods(driven[1].axis):
        return None
    name, axis = driven[0], driven[1].axis
    slider, own = sliders()[axis], {}
    stop = slider.off if step.layers is not None else slider.stop(getattr(step.method, name))
    for layer, changed in step.overrides.items():
        value = None if changed is None else changed.get(name)
        own[layer] = slider.off if value is None else slider.stop(value)
    try:
        method = type(step.method)(**differing(step.method, options(type(step.method))))
        values = {layer: {axis: slider.value(there)} for layer, there in own.items()}
        for at in (stop, *own.values()):
            slider.check(at)
        same = slider_step(axis, slider.value(stop), method, values) == (step,)
    except RecipeError:
        return None
    return _OfSlider(axis, stop, own) if same else None


def _slider_of(axis: AxisName, steps: Sequence[Step], found: Sequence[_OfSlider | None]) -> int | None:
    """The number of the step that the slider stands for."""
    could = [index for index, slider in enumerate(found) if slider is not None and slider.axis == axis]
    return next((index for index in could if steps[index].named()), could[0] if could else None)


def _per_axis(what: str, content: Any) -> dict[AxisName, Any]:
    if not isinstance(content, dict) or set(content) != set(AXES):
        raise RecipeError(f"The {what} of a move must name exactly {', '.join(AXES)}.")
    return content


def _one_of(what: str, value: Any, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise RecipeError(f"There is no {shown(value)} to choose for {what}; there are {', '.join(known)}.")
    return value


def _options(axis: AxisName, name: str, content: Any) -> dict[str, Any]:
    """Checked settings, without those that are the method's defaults. Raises RecipeError naming the setting."""
    method = methods(axis)[name]
    return differing(settings.read(method, options(method), content), options(method))


def _overrides(content: Any) -> dict[str, dict[AxisName, int]]:
    if not isinstance(content, dict) or len(content) > _MOST_OVERRIDES:
        raise RecipeError("The overrides of a move must map layers to slider stops.")
    ranges = sliders()
    checked: dict[str, dict[AxisName, int]] = {}
    for layer, own in content.items():
        if not isinstance(own, dict) or not set(own) <= set(AXES):
            raise RecipeError(f"Layer {shown(layer)}: its overrides must name some of {', '.join(AXES)}.")
        if own:
            checked[layer] = {axis: ranges[axis].check(stop, f"Layer {shown(layer)}: ") for axis, stop in own.items()}
    return checked
