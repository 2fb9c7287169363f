"""Costs that are worked out ahead, one recipe at a time, while there is nothing else to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

from workbench.compression.compressed import compress
from workbench.engine.assessment import costs
from workbench.errors import RecipeError, Stopped
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Foresight:
    """found: called with each recipe and its report. recipe: the one that is next, once `recipes` was asked for it."""

    model: Model
    device: str
    recipes: Iterator[Recipe]
    found: Callable[[Recipe, Report], None]
    recipe: Recipe | None = None

    def work(self, seconds: float, given_up: Callable[[], bool]) -> bool:
        """Work out one recipe, and more until so many seconds have passed; whether there is anything left to do."""
        end = perf_counter() + seconds
        try:
            while not given_up():
                recipe = self.recipe = self.recipe or next(self.recipes)
                try:
                    report = costs(compress(self.model, recipe, cancelled=given_up, keep=False), self.device)
                    self.found(recipe, report)
                except RecipeError:  # the user is told if the controls are really put there
                    pass
                self.recipe = None
                if perf_counter() >= end:
                    break
        except Stopped:  # what was begun is begun anew when there is time again
            pass
        except StopIteration:
            return False
        except Exception:
            _log.exception("costs could not be foreseen")
            return False
        return True
