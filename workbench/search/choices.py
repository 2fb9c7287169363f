"""Three named choices: of a sweep on validation images, the smallest file under three rules on wrong answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workbench.errors import DataError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.search.sweep import Case, Trial, grid, sweep


@dataclass(frozen=True)
class Rule:
    """loses: the most that the score on validation images may fall below the original's there, 0.001 being one more
    wrong answer in 1,000.
    """

    name: str
    title: str
    loses: float

    def says(self, shares: bool) -> str:
        """In words. shares: whether the score is a share of right answers."""
        if not shares:
            return f"The smallest file that loses at most {100 * self.loses:g} points of its score"
        return f"The smallest file with at most {1000 * self.loses:g} more wrong in 1,000"


RULES = (Rule("careful", "Careful", 0.001), Rule("balanced", "Balanced", 0.005), Rule("smallest", "Smallest", 0.02))

# Where the sliders are put; the least of each is no compression.
SPARSITY = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
BITS = (32, 8, 6, 5, 4, 3, 2)
RANK = (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class Choice:
    """What a rule found. lost: by how much the score on validation images fell. size: bytes of the file."""

    rule: Rule
    recipe: Recipe
    lost: float
    size: int


def cases() -> list[Case]:
    """The recipes that are tried: positions of the three sliders."""
    return grid(SPARSITY, BITS, RANK)


def choose(trials: Iterable[Trial]) -> tuple[Choice, ...]:
    """The smallest of `trials`, made on validation images, under each rule; none under one that no trial keeps."""
    found = [
        Choice(rule, trial.case.recipe, before.value - now.value, int(trial.report.compressed.size.value))
        for trial in trials
        for rule in RULES
        if trial.report.original is not None
        and (before := trial.report.original.accuracy) is not None
        and (now := trial.report.compressed.accuracy) is not None
        and before.value - now.value <= rule.loses
    ]
    kept = {rule: [choice for choice in found if choice.rule == rule] for rule in RULES}
    return tuple(min(choices, key=lambda choice: (choice.size, choice.lost)) for choices in kept.values() if choices)


def find(model: Model, progress: Callable[[float], None] = lambda share: None) -> tuple[Choice, ...]:
    """A sweep on the validation images, and what the rules choose of it. Raises DataError where there are none."""
    if model.data is None or not model.data.has("validation"):
        raise DataError(f"{model.name} has no validation images, so nothing can be chosen for it.")
    return choose(sweep(model, cases(), split="validation", progress=progress).trials)
