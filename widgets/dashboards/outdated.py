"""Which points are true no longer: a trained step gives something else once the Store has another result of it."""

from __future__ import annotations

from widgets.views.points import Points
from workbench.compression.steps import trained_from
from workbench.method import METHODS
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.store import Store


def outdated(points: Points, model: Model) -> list[tuple[str, str]]:
    """Keys of those of `model` that were made with other results than the user's Store has now."""
    store = Store.default()
    return [
        key
        for key, point in points.items()
        if point.model == model.name
        and any(METHODS[step["method"]].mode == "trained" for step in point.recipe["steps"])
        and trained_from(model, Recipe.from_object(point.recipe), store) != point.trained_from
    ]
