"""One layer alone, and two layers together: what each loses by itself, and what they lose beyond the sum of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.errors import DataError
from workbench.method import AXES, AxisName
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.search.sweep import Case, Sweep


def each_layer(model: Model, axis: AxisName, values: Sequence[float]) -> list[Case]:
    """Every layer alone at every value of a slider; all others stay as they are."""
    return [
        Case({"layer": layer.name, axis: value}, Recipe.sliders(overrides={layer.name: {axis: value}}))
        for layer in model.layers
        for value in values
    ]


def two_layers(first: str, second: str, axis: AxisName, values: Sequence[float]) -> list[Case]:
    """Both layers at every two values of a slider; where it is off is put before the values."""
    stops = (AXES[axis].off, *values)
    return [
        Case(
            {first: one, second: other},
            Recipe.sliders(overrides={first: {axis: one}, second: {axis: other}}),
        )
        for one in stops
        for other in stops
    ]


def beyond_the_sum(sweep: Sweep) -> Mapping[float, Mapping[float, float]]:
    """Of a sweep over `two_layers`: value of the first -> value of the second -> accuracy that both together lose
    beyond what each loses alone. Positive where two errors make a larger one, negative where they hide each other.

    Raises DataError where the sweep is not complete, or has no accuracy.
    """
    scores: dict[tuple[float, float], float] = {}
    for trial in sweep.trials:
        accuracy = trial.report.compressed.accuracy
        if accuracy is not None:
            first, second = trial.case.choices.values()
            scores[first, second] = accuracy.value
    if not sweep.complete or not scores:
        raise DataError("The interaction of two layers needs a complete sweep with accuracy.")
    off = next(iter(scores))[0]
    stops = dict.fromkeys(first for first, _ in scores if first != off)
    alone = scores[off, off]
    return {
        one: {
            other: (alone - scores[one, other]) - (alone - scores[one, off]) - (alone - scores[off, other])
            for other in stops
        }
        for one in stops
    }
