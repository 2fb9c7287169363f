"""What an outcome is asked to be, and how a search for it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workbench.accuracy.intervals import Interval
from workbench.costs import costs
from workbench.errors import RecipeError
from workbench.recipe import Recipe

Phase = Literal["measuring", "choosing", "exchanging", "comparing", "done"]


@dataclass(frozen=True)
class Goals:
    """limits: metric (as `Figures.costs` names it) -> at most so much. accuracy: at least so much, 0..1, None for any.

    Raises RecipeError where there is neither, or for what is no metric that follows from a recipe.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    accuracy: float | None = None

    def __post_init__(self) -> None:
        known = {cost.name for cost in costs() if cost.metric.less_is_better}
        for name, most in self.limits.items():
            if name not in known:
                raise RecipeError(f"There is no cost {name!r} to limit; there are {', '.join(sorted(known))}.")
            if not most > 0:
                raise RecipeError(f"The limit of {name} must be more than 0, not {most:g}.")
        if self.accuracy is not None and not 0 < self.accuracy <= 1:
            raise RecipeError(f"The accuracy must be a share from 0 to 1, not {self.accuracy:g}.")
        if not self.limits and self.accuracy is None:
            raise RecipeError("An outcome needs a limit or an accuracy to look for.")


@dataclass(frozen=True)
class Found:
    """A recipe that was measured. costs: metric -> exact value. accuracy: on validation images, for others like them.

    load: its largest cost as a share of the limit on it.
    """

    recipe: Recipe
    costs: Mapping[str, float]
    accuracy: Interval
    load: float


@dataclass(frozen=True)
class Price:
    """What better accuracy would cost, by the recipes measured: `points` (a share, 0.01 a point) for `costs` more."""

    points: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """How a search stands.

    share: of its time, 0..1; left: seconds, 0.0 while not known. images: of the validation split that were run.
    best: of all recipes measured, the one nearest to the goals; within them, the one with the highest accuracy, or with
    the least cost where only the accuracy was asked for. original: the network as it came. least: the least cost at
    which the accuracy asked for was found. tried: recipes measured in full.
    """

    goals: Goals
    phase: Phase
    share: float
    left: float
    images: int
    original: Found | None = None
    best: Found | None = None
    least: Found | None = None
    price: Price | None = None
    tried: int = 0

    @property
    def met(self) -> bool:
        """Whether `best` keeps every goal, its accuracy as counted on the validation images."""
        return self.best is not None and self.exceeded == {} and self.short == 0

    @property
    def exceeded(self) -> dict[str, float]:
        """Metric -> by how much `best` is above the limit."""
        found = {} if self.best is None else self.best.costs
        return {name: found[name] - most for name, most in self.goals.limits.items() if found and found[name] > most}

    @property
    def short(self) -> float:
        """By how much the accuracy of `best` is below what was asked for; 0.0 where it is not."""
        if self.best is None or self.goals.accuracy is None:
            return 0.0
        return max(0.0, self.goals.accuracy - self.best.accuracy.value)

    @property
    def binding(self) -> str:
        """The goal that keeps `best` from being better: a metric's name, or "accuracy"."""
        if self.best is None or not self.goals.limits:
            return "accuracy"
        return max(self.goals.limits, key=lambda name: self.best.costs[name] / self.goals.limits[name])  # type: ignore[union-attr]
