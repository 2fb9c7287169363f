"""Methods side by side at equal bytes: of each, the mildest setting whose file is small enough."""

from __future__ import annotations

import dataclasses

from workbench.compression.compressed import compress
from workbench.errors import RecipeError
from workbench.method import AXES, METHODS, Method
from workbench.network.model import Model
from workbench.recipe import Recipe, Step


def at_most(model: Model, method: str | Method, size: int) -> Recipe | None:
    """The recipe of `method` alone whose packed file has at most `size` bytes and which changes the weights least.

    Its slider is moved from where it changes least until the file is small enough, so the setting is chosen by bytes
    alone and no image is looked at. None where even its strongest setting leaves a larger file. Raises RecipeError for
    a method that no slider drives.
    """
    chosen = METHODS[method]() if isinstance(method, str) else method
    driven = chosen.axis()
    if driven is None or driven[1].axis is None:
        raise RecipeError(f"{chosen.name} has no setting that a slider drives, so it cannot be brought to a size.")
    name, setting = driven
    assert setting.low is not None and setting.high is not None and setting.step is not None
    scale = round(1 / setting.step)
    stops = list(range(round(setting.low * scale), round(setting.high * scale) + 1))
    if AXES[setting.axis].direction < 0:  # type: ignore[index]  # checked above
        stops.reverse()
    for stop in stops:
        value = stop if scale == 1 else stop / scale
        recipe = Recipe((Step(dataclasses.replace(chosen, **{name: value})),))
        if compress(model, recipe, keep=False).size.value <= size:
            return recipe
    return None
