"""Methods side by side at equal bytes: of each, the mildest setting whose file is small enough."""

from __future__ import annotations

import dataclasses

from workbench.compression.compressed import compress
from workbench.errors import RecipeError
from workbench.method import METHODS, Method
from workbench.network.model import Model
from workbench.recipe import Recipe, Step


def at_most(model: Model, method: str | Method, size: int, setting: str | None = None) -> Recipe | None:
    """The recipe of `method` alone whose packed file has at most `size` bytes and which changes the weights least.

    setting: a number of the method that is moved, from the end where the file is larger, until it is small enough; by
    default the one that a slider drives. It is chosen by bytes alone: no image is looked at. None where even the other
    end leaves a larger file. Raises RecipeError for a method without such a number.
    """
    chosen = METHODS[method]() if isinstance(method, str) else method
    driven = chosen.axis()
    name = setting or (driven[0] if driven and driven[1].axis else "")
    facts = chosen.settings().get(name)
    if facts is None or facts.step is None or facts.low is None or facts.high is None:
        asked = f"no number {setting!r}" if setting else "no setting that a slider drives"
        raise RecipeError(f"{chosen.name} has {asked}, so it cannot be brought to a size.")
    scale = round(1 / facts.step)
    values = [
        stop / scale if scale > 1 else stop for stop in range(round(facts.low * scale), round(facts.high * scale) + 1)
    ]

    def recipe(value: float) -> Recipe:
        return Recipe((Step(dataclasses.replace(chosen, **{name: value})),))

    def bytes_of(value: float) -> float:
        return compress(model, recipe(value), keep=False).size.value

    if bytes_of(values[0]) < bytes_of(values[-1]):
        values.reverse()
    return next((recipe(value) for value in values if bytes_of(value) <= size), None)
