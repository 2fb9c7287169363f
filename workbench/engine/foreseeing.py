"""Costs that are worked out ahead, one recipe at a time, while there is nothing else to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.compression.compressed import compress
from workbench.engine.assessment import costs
from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.errors import RecipeError, Stopped
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Asked:
    """found: called with each recipe and its report. recipe: the one that is next, once `recipes` was asked for it."""

    model: Model
    device: str
    recipes: Iterator[Recipe]
    found: Callable[[Recipe, Report], None]
    recipe: Recipe | None = None


class Foreseeing(Duty):
    """Works out one recipe at a time of what was asked for last; moves lose it nothing."""

    rest = 0.02
    takes_turns = yields = True

    def __init__(self, bulletin: Bulletin) -> None:
        super().__init__(bulletin)
        self._asked: Asked | None = None

    @property
    def wanted(self) -> bool:
        return self._asked is not None

    def ask(self, asked: Asked) -> None:
        self._asked = asked

    def work(self, interrupted: Callable[[], bool]) -> None:
        asked = self._asked
        if asked is None or _next(asked, lambda: interrupted() or self._asked is not asked):
            return
        with self._bulletin.changed:
            if self._asked is asked:
                self._asked = None


def _next(asked: Asked, given_up: Callable[[], bool]) -> bool:
    """Work out the next recipe; whether there may be another."""
    try:
        recipe = asked.recipe = asked.recipe or next(asked.recipes)
        try:
            found = costs(compress(asked.model, recipe, cancelled=given_up, keep=False), asked.device)
            asked.found(recipe, found)
        except RecipeError:  # the user is told if the controls are really put there
            pass
        asked.recipe = None
    except Stopped:  # what was begun is begun anew when there is time again
        pass
    except StopIteration:
        return False
    except Exception:
        _log.exception("costs could not be foreseen")
        return False
    return True
