"""What a search for a wished outcome has found, in words, and the stops of the two sliders that say what is wished."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from widgets.views import numbers
from widgets.views.measures import bound, measures, written
from workbench.costs import costs
from workbench.search.goals import Found, Outcome, Phase

_PHASES: dict[Phase, str] = {
    "measuring": "Measuring each layer alone",
    "choosing": "Choosing settings for all layers",
    "exchanging": "Moving bytes from layer to layer",
    "comparing": "Looking at what more accuracy would cost",
    "done": "Done",
}
_SERIES = (10, 11, 12, 13, 15, 16, 18, 20, 22, 25, 27, 30, 35, 40, 45, 50, 55, 60, 70, 80, 90)  # of each decade
_LEAST = 200  # of how small a share of the original a size may be asked for
_PERCENTS = (50, 60, 70, 75, 80, 82, 84, 86, 88, *range(90, 98), 97.5, 98, 98.5, 99, 99.2, 99.4, 99.6, 99.8)
ANY = "any"


def stops(original: Mapping[str, float]) -> dict[str, Any]:
    """What each slider may be put at, from no wish to the strictest: {"limits", "accuracy"}, each [{"value", "text"}].

    original: metric -> its value for the network as it came, of those that can be limited. limits: [{"metric", "label",
    "stops"}] of each of them, size first. A value is None where anything will do.
    """
    return {
        "limits": [_limit(name, original[name]) for name in sorted(original, key=lambda name: name != "size")],
        "accuracy": [_any(), *({"value": one / 100, "text": f"{one:g}{numbers.NBSP}%"} for one in _PERCENTS)],
    }


def _limit(name: str, value: float) -> dict[str, Any]:
    metric = measures()[name]
    last = math.floor(math.log10(value)) if value > 0 else 0
    steps = [float(f"{step}e{power - 1}") for power in range(last - 3, last + 1) for step in _SERIES]
    there = [one for one in steps if value / _LEAST <= one < value]
    return {
        "metric": name,
        "label": f"{metric.title} {bound(metric)}",
        "stops": [_any(), *({"value": one, "text": written(metric, one)} for one in reversed(there))],
    }


def told(outcome: Outcome, cancelled: bool = False) -> dict[str, Any]:
    """{"progress", "status", "found", "lines", "met"} of a search as it stands; found and lines are finished text.

    cancelled: whether it ended before its time.
    """
    done = cancelled or outcome.phase == "done"
    left = f", about {max(1, round(outcome.left))} s left" if outcome.left else ""
    return {
        "progress": outcome.share,
        "status": "" if done else f"{_PHASES[outcome.phase]}{left}",
        "found": _found(outcome, done),
        "lines": _lines(outcome) if done else [],
        "met": outcome.met,
    }


def _any() -> dict[str, Any]:
    return {"value": None, "text": ANY}


def _found(outcome: Outcome, done: bool) -> str:
    best = outcome.best
    if best is None or not best.recipe.steps:
        return "Nothing was found that is nearer to it than the network as it came." if done else ""
    figures = f"{_costs(best)} and {_accuracy(best)} on {outcome.images:,} validation images"
    if done:
        return f"Found: {figures}." if outcome.met else f"Not found. The nearest of {outcome.tried} tried: {figures}."
    return f"{'Best so far' if outcome.met else 'Nearest so far'}: {figures}."


def _lines(outcome: Outcome) -> list[str]:
    return [line for line in (*_missed(outcome), _binding(outcome), _price(outcome)) if line]


def _missed(outcome: Outcome) -> list[str]:
    """By how much, and what could be had instead. What was not found may still exist, and is not said not to."""
    said = [f"{_metric(name)} is {_written(name, more)} above the limit." for name, more in outcome.exceeded.items()]
    if outcome.short:
        said.append(f"Accuracy is {_points(outcome.short)} below what was asked for.")
    wanted = outcome.goals.accuracy
    if outcome.met or wanted is None:
        return said
    if outcome.least is not None:
        least = _costs(outcome.least)
        said.append(f"The least found with at least {100 * wanted:g}{numbers.NBSP}%: {least}.")
    elif outcome.original is not None and outcome.original.accuracy.value < wanted:
        whole = _accuracy(outcome.original)
        said.append(f"The network as it came has {whole} on these images, and nothing tried had more.")
    return said


def _binding(outcome: Outcome) -> str:
    """Of a search that reached its goals."""
    best, wanted = outcome.best, outcome.goals.accuracy
    if not outcome.met or best is None or not best.recipe.steps:
        return ""
    if outcome.binding == "accuracy":
        return "Accuracy is the limit that holds it back: anything smaller that was tried falls below it."
    spare = "" if wanted is None else f" Accuracy has {_points(best.accuracy.value - wanted)} to spare."
    return f"{_metric(outcome.binding)} is the limit that holds it back.{spare}"


def _price(outcome: Outcome) -> str:
    """Of a search that reached its goals: else what it misses says more."""
    price = outcome.price
    if price is None or not outcome.met:
        return ""
    more = " and ".join(_written(name, amount) for name, amount in price.costs.items())
    if price.points >= 0.01:
        return f"One more point of accuracy would take about {more} more."
    return f"{_points(price.points).capitalize()} more would take about {more} more; no further gain was found."


def _costs(found: Found) -> str:
    return ", ".join(_written(name, value) for name, value in found.costs.items())


def _accuracy(found: Found) -> str:
    return numbers.percent(found.accuracy.value)


def _points(share: float) -> str:
    return numbers.points(share).removeprefix("+") if round(share, 4) else f"0{numbers.NBSP}points"


def _metric(name: str) -> str:
    return next(cost.metric.title for cost in costs() if cost.name == name)


def _written(name: str, value: float) -> str:
    return numbers.written(value, next(cost.metric.unit for cost in costs() if cost.name == name))
