"""Which recipes are likely next: the positions beside the one that a slider was moved to."""

from __future__ import annotations

import dataclasses
from collections import Counter

from workbench.method import Setting
from workbench.recipe import Recipe, Step

# The method of a step, how many steps before it have the same one, and a layer that the step overrides.
_Place = tuple[str, int, str | None]


def neighbours(before: Recipe, now: Recipe, reach: int = 2) -> tuple[Recipe, ...]:
    """`now` with the slider that was moved from `before` one to `reach` steps further, then as many steps back.

    Nothing where it cannot be told which single slider was moved, and nothing outside the slider's range.
    """
    was, values = _values(before), _values(now)
    moved = [place for place, value in values.items() if was.get(place) != value]
    if len(moved) != 1:
        return ()
    (place,) = moved
    index = _index(now, place)
    name, setting = _driven(now.steps[index])
    known = was.get(place)
    onward = -1 if known is not None and values[place] < known else 1
    steps = [onward * far for far in range(1, reach + 1)] + [-onward * far for far in range(1, reach + 1)]
    found = (_stepped(values[place], steps_away, setting) for steps_away in steps)
    return tuple(_with(now, index, place[2], name, value) for value in found if value is not None)


def _values(recipe: Recipe) -> dict[_Place, float]:
    """Where every slider of the recipe stands, the global ones and the layers' own."""
    found: dict[_Place, float] = {}
    seen: Counter[str] = Counter()
    for step in recipe.steps:
        if step.method.axis() is None:
            continue
        name, _ = _driven(step)
        method, before = step.method.name, seen[step.method.name]
        seen[method] += 1
        if step.layers is None:
            found[method, before, None] = getattr(step.method, name)
        for layer, own in step.overrides.items():
            if own is not None and name in own:
                found[method, before, layer] = own[name]
    return found


def _index(recipe: Recipe, place: _Place) -> int:
    method, before, _ = place
    return [index for index, step in enumerate(recipe.steps) if step.method.name == method][before]


def _driven(step: Step) -> tuple[str, Setting]:
    driven = step.method.axis()
    assert driven is not None
    return driven


def _stepped(value: float, steps: int, setting: Setting) -> float | None:
    assert setting.step is not None and setting.low is not None and setting.high is not None
    if isinstance(setting.step, int):
        moved: float = value + steps * setting.step
    else:
        scale = round(1 / setting.step)  # as the sliders have it: 57 / 100 is 0.57, 0.56 + 0.01 is not
        moved = (round(value * scale) + steps) / scale
    return moved if setting.low <= moved <= setting.high else None


def _with(recipe: Recipe, index: int, layer: str | None, name: str, value: float) -> Recipe:
    step = recipe.steps[index]
    if layer is None:
        step = dataclasses.replace(step, method=dataclasses.replace(step.method, **{name: value}))
    else:
        own = {**(step.overrides[layer] or {}), name: value}
        step = dataclasses.replace(step, overrides={**step.overrides, layer: own})
    return dataclasses.replace(recipe, steps=(*recipe.steps[:index], step, *recipe.steps[index + 1 :]))
