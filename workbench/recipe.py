"""A recipe: the choices and nothing else. Ordered steps, each a method with its settings and the layers it is for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbench.errors import ModelError, RecipeError
from workbench.method import AXES, METHODS, AxisName, Method
from workbench.weights.choice import ENCODINGS, known

if TYPE_CHECKING:
    from workbench.network.model import Model

VERSION = 1


@dataclass(frozen=True)
class Step:
    """One method and the layers it is for.

    layers: names, or None for every layer it can be applied to. overrides: layer -> settings that differ there, or None
    where the step leaves that layer alone. An override changes that layer and no other: where weights are ranked across
    layers it stays in the ranking, so that the others lose what they would lose without it, and has its own besides.
    """

    method: Method
    layers: tuple[str, ...] | None = None
    overrides: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.overrides, Mapping):
            raise RecipeError("The overrides of a step must map layer names to settings, or to None.")
        object.__setattr__(self, "overrides", MappingProxyType(dict(self.overrides)))
        for layer in self.overrides:
            self.method_for(layer)

    def method_for(self, layer: str) -> Method | None:
        """The method with that layer's own settings; None where the step leaves it alone. Raises RecipeError."""
        settings = self.overrides.get(layer, {})
        if settings is None:
            return None
        if not settings:
            return self.method
        try:
            return _with_settings(self.method, settings)
        except RecipeError as error:
            raise RecipeError(f"Layer {layer!r}: {error}") from None

    def named(self) -> set[str]:
        """Every layer that the step names."""
        return set(self.layers or ()) | set(self.overrides)

    def check(self, model: Model) -> None:
        """Raises RecipeError where the step names a layer that `model` does not have."""
        _check_names(self.named(), model)

    def to_object(self) -> dict[str, Any]:
        overrides = {name: None if one is None else dict(one) for name, one in sorted(self.overrides.items())}
        return {
            "method": self.method.name,
            "settings": {one.name: getattr(self.method, one.name) for one in dataclasses.fields(self.method)},
            "layers": None if self.layers is None else list(self.layers),
            "overrides": overrides,
        }


@dataclass(frozen=True)
class Recipe:
    """Ordered steps, validated before a tensor is touched. encodings: layer -> the encoding it must be stored in."""

    steps: tuple[Step, ...] = ()
    encodings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        object.__setattr__(self, "encodings", MappingProxyType(dict(self.encodings)))
        for layer, encoding in self.encodings.items():
            if encoding not in ENCODINGS:
                raise RecipeError(f"Layer {layer!r}: there is no encoding {encoding!r}; there are {known()}.")

    @classmethod
    def sliders(
        cls,
        sparsity: float = 0.0,
        bits: int = 32,
        rank: float = 1.0,
        *,
        methods: Mapping[AxisName, str | Method] | None = None,
        overrides: Mapping[str, Mapping[AxisName, float]] | None = None,
    ) -> Recipe:
        """The recipe of the three global sliders: rank, then sparsity, then bits; a slider that is off adds no step.

        sparsity: share of zeros 0..1. bits: 1..8, or 32 for none. rank: share of the singular values 0..1, 1 for none.
        methods: which method each slider drives, by name or with its other settings. overrides: layer -> its own slider
        values. Raises RecipeError naming the slider, method or layer.
        """
        chosen = {**{name: axis.method for name, axis in AXES.items()}, **(methods or {})}
        values: dict[AxisName, float] = {"rank": rank, "sparsity": sparsity, "bits": bits}
        overrides = {} if overrides is None else overrides
        if not isinstance(overrides, Mapping) or not all(isinstance(own, Mapping) for own in overrides.values()):
            raise RecipeError("The overrides of the sliders must map layer names to slider values.")
        for layer, own in overrides.items():
            for axis in own:
                if axis not in AXES:
                    raise RecipeError(f"Layer {layer!r}: there is no slider {axis!r}; there are {', '.join(AXES)}.")
        return cls(tuple(step for axis in AXES for step in slider_step(axis, values[axis], chosen[axis], overrides)))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Raises RecipeError naming the field that is wrong."""
        try:
            content = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:  # a number may have too many digits
            raise RecipeError(f"The recipe is not valid JSON: {error}.") from None
        return cls.from_object(content)

    @classmethod
    def from_object(cls, content: Any) -> Recipe:
        """From the object that `to_object` gives. Raises RecipeError naming the field that is wrong."""
        _check_object("recipe", content, {"version", "steps", "encodings"}, {"digest"})
        if content["version"] != VERSION:
            raise RecipeError(
                f"This recipe has version {content['version']!r}; this workbench reads version {VERSION}."
            )
        if not isinstance(content["steps"], list):
            raise RecipeError("The recipe's field 'steps' must be a list.")
        encodings = content["encodings"]
        if not isinstance(encodings, dict) or not all(isinstance(one, str) for one in encodings.values()):
            raise RecipeError("The recipe's field 'encodings' must map layer names to encoding names.")
        return cls(tuple(_step(index, one) for index, one in enumerate(content["steps"], 1)), encodings)

    def to_object(self) -> dict[str, Any]:
        """Plain JSON content, the same for equal recipes."""
        steps = [step.to_object() for step in self.steps]
        return {"version": VERSION, "steps": steps, "encodings": dict(sorted(self.encodings.items()))}

    def until(self, steps: int) -> Recipe:
        """The first steps alone."""
        return Recipe(self.steps[:steps])

    def with_method(self, place: int, method: Method) -> Recipe:
        """The same with another method in the step at that place, from 0."""
        step = dataclasses.replace(self.steps[place], method=method)
        return Recipe((*self.steps[:place], step, *self.steps[place + 1 :]), self.encodings)

    def to_json(self) -> str:
        return json.dumps(self.to_object(), indent=2)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        canonical = json.dumps(self.to_object(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def check(self, model: Model) -> None:
        """Raises RecipeError where the recipe names a layer that `model` does not have.

        What comes after a step that gives another network is not for this one.
        """
        for step in self.steps:
            step.check(model)
            if step.method.replaces:
                return
        self.check_encodings(model)

    def check_encodings(self, model: Model) -> None:
        """Raises RecipeError where an encoding is named for a layer that `model` does not have."""
        _check_names(self.encodings, model)

    @property
    def replaces(self) -> bool:
        """Whether a step gives another network than the one that the recipe is for."""
        return any(step.method.replaces for step in self.steps)


def _check_names(names: Iterable[str], model: Model) -> None:
    for name in sorted(names):
        try:
            layer = model.layer(name)
        except ModelError as error:
            raise RecipeError(f"The recipe does not fit this network. {error}") from None
        if layer.name != name:
            raise RecipeError(f"Layer {name!r} shares its weight with {layer.name!r}; name that one in the recipe.")


def slider_step(
    axis: AxisName, value: float, method: str | Method, overrides: Mapping[str, Mapping[AxisName, float]]
) -> tuple[Step, ...]:
    """The step of one global slider, or none where it is off; see `Recipe.sliders`. Raises RecipeError."""
    off = AXES[axis].off
    chosen = method_named(method, {}) if isinstance(method, str) else method
    driven = chosen.axis()
    if driven is None or driven[1].axis != axis:
        raise RecipeError(f"Method {chosen.name!r} is not driven by the {axis} slider.")
    name, setting = driven
    own = {layer: one[axis] for layer, one in overrides.items() if axis in one}
    for where, one in (("", value), *((f"Layer {layer!r}: ", one) for layer, one in own.items())):
        if one != off:
            outside = not setting.low <= off <= setting.high  # type: ignore[operator]
            owner = f"{where}The {axis} slider{f' ({off:g} switches it off)' if outside else ''}"
            setting.check(owner, name, one)
    if all(one == off for one in (value, *own.values())):
        return ()
    settings = {layer: None if one == off else {name: one} for layer, one in own.items()}
    if value == off:  # only the overridden layers take this step
        alone = {layer: one for layer, one in settings.items() if one is not None}
        return (Step(chosen, tuple(sorted(alone)), alone),)  # the same recipe in whatever order they were moved
    return (Step(_with_settings(chosen, {name: value}), None, settings),)


def method_named(name: Any, settings: Any) -> Method:
    """The method of that name with these settings. Raises RecipeError naming the method or setting that is wrong."""
    if not isinstance(name, str) or name not in METHODS:
        raise RecipeError(no_method(name))
    return _with_settings(METHODS[name](), settings)


def no_method(name: Any) -> str:
    """The sentence on a name that no method has, with the names that are near."""
    near = get_close_matches(name, list(METHODS), 3) if isinstance(name, str) else []
    meant = f"perhaps {' or '.join(near)} is meant, and " if near else ""
    return f"There is no method {name!r}; {meant}`workbench methods` lists them."


def _with_settings(method: Method, settings: Any) -> Method:
    if not isinstance(settings, Mapping):
        raise RecipeError(f"{method.name}: the settings must be an object of names and values.")
    for name in settings:
        if name not in method.settings():
            known = ", ".join(method.settings())
            raise RecipeError(f"{method.name} has no setting {name!r}; it has {known}.")
    return dataclasses.replace(method, **settings)


def _step(index: int, content: Any) -> Step:
    where = f"step {index}"
    _check_object(where, content, {"method"}, {"settings", "layers", "overrides"})
    layers, overrides = content.get("layers"), content.get("overrides", {})
    if layers is not None and not (isinstance(layers, list) and all(isinstance(one, str) for one in layers)):
        raise RecipeError(f"In {where} of the recipe, 'layers' must be null or a list of layer names.")
    if not isinstance(overrides, dict):
        raise RecipeError(f"In {where} of the recipe, 'overrides' must map layer names to settings.")
    try:
        method = method_named(content["method"], content.get("settings", {}))
        return Step(method, None if layers is None else tuple(layers), overrides)
    except RecipeError as error:
        raise RecipeError(f"In {where} of the recipe: {error}") from None


def _check_object(where: str, content: Any, needed: set[str], allowed: set[str]) -> None:
    if not isinstance(content, dict):
        raise RecipeError(f"The {where} must be a JSON object.")
    for name in sorted(needed - set(content)):
        raise RecipeError(f"The {where} lacks the field {name!r}.")
    for name in sorted(set(content) - needed - allowed):
        raise RecipeError(f"The {where} has an unknown field {name!r}.")
