"""The part of the dashboard that gives its recipe as text, and takes one over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.controls.settings import shown
from widgets.dashboards.part import Hear, Part
from widgets.views.recipe import describe
from workbench.errors import RecipeError, WorkbenchError
from workbench.recipe import Recipe
from workbench.recipe_code import recipe_code

LARGEST = 1_000_000  # characters of a recipe that a page may send
MOST_STEPS = 100


class RecipeText(Part):
    """Hears {"kind": "recipe"} and says {"kind": "recipe", "name", "python", "json"} of the session's.

    Hears {"kind": "adopt", "text"}, the JSON of a recipe, moves the session to it, and says {"kind": "adopted",
    "error"}: a sentence, or "".
    """

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"recipe": self._asked, "adopt": self._adopt}

    def _asked(self, _: Mapping[str, Any]) -> None:
        recipe = self._session.recipe
        said = {"name": describe(recipe.to_object()), "python": recipe_code(recipe), "json": recipe.to_json()}
        self._send({"kind": "recipe", **said}, [])

    def _adopt(self, content: Mapping[str, Any]) -> None:
        error = ""
        try:
            self._session.update(recipe=_read(content.get("text")))
        except WorkbenchError as refused:
            error = str(refused)
        self._send({"kind": "adopted", "error": error}, [])


def _read(text: Any) -> Recipe:
    if not isinstance(text, str):
        raise RecipeError(f"A recipe is taken over as text, not as {shown(text)}.")
    if len(text) > LARGEST:
        raise RecipeError(f"The text has more than {LARGEST:,} characters, so it is no recipe.")
    if not text.strip():
        raise RecipeError("There is no recipe yet: paste its JSON, or choose a file.")
    recipe = Recipe.from_json(text)
    if len(recipe.steps) > MOST_STEPS:
        raise RecipeError(f"The recipe has {len(recipe.steps):,} steps; a page takes {MOST_STEPS} at most.")
    return recipe
