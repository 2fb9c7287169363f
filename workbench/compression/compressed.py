"""From a model and a recipe to the compressed model, whose every layer has an encoding."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.compression.steps import Cancelled, Walk
from workbench.costs.size import Size
from workbench.exporters.packed import write
from workbench.importers import packed
from workbench.network.encoded import EncodedModel
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe
from workbench.report.figures import Figure
from workbench.store import Store

if TYPE_CHECKING:
    from torch import nn

    from workbench.data.datasets import Dataset


class CompressedModel(EncodedModel):
    """An encoded model that knows its size and can be saved."""

    @cached_property
    def size(self) -> Figure:
        """Exact bytes of the file that `save` writes."""
        return Size.of(self)

    def save(self, path: str | Path) -> Path:
        """Write the packed file (`.cwb`): temporary file, fsync, replace."""
        return write(self, Path(path))


def compress(
    model: Model,
    recipe: Recipe,
    *,
    cancelled: Cancelled = lambda: False,
    keep: bool = True,
    store: Store | None = None,
) -> CompressedModel:
    """Take the recipe's steps in their order. The model is not changed.

    A layer that meets the same step with the same decisions in the same form again is given the same new form, so that
    what is known of that form need not be found again. A trained step takes its result from `store` (the user's own by
    default), else from what comes with the workbench (`workbench.compression.ladders`); where there is none yet, the
    method that stands in for it is applied: a preview. keep: whether the forms made now are to be remembered; those of
    a recipe that is only looked at need not take the place of others.

    Raises RecipeError naming the layer, where a step cannot be applied to a layer that it names, DataError where a step
    needs images and the model has none, and Stopped as soon as `cancelled` says so between two layers or two rounds of
    one layer's.
    """
    recipe.check(model)
    walk = Walk(State.of(model), recipe, cancelled, keep, store or Store.default())
    for _ in recipe.steps:
        walk.take()
    state = walk.state
    if recipe.replaces and not walk.awaited:
        recipe.check_encodings(state.model)
    return CompressedModel(
        state.model,
        state.forms,
        recipe=recipe,
        step_notes=tuple(walk.notes),
        source=model,
        trained_from=walk.trained_from,
        previews=walk.previews,
        shipped=walk.shipped,
    )


def read(path: str | Path, module: nn.Module | None = None, data: Dataset | None = None) -> CompressedModel:
    """The compressed network again, from a packed file's bytes alone; see `workbench.importers.packed.read`."""
    found = packed.read(path, module, data)
    return CompressedModel(
        found.model,
        found.forms,
        recipe=found.recipe,
        step_notes=found.step_notes,
        previews=found.previews,
        given=found.given,
        began=found.began,
    )
