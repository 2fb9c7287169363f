"""The points of the trade-off plot: one for every recipe visited of late, with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from widgets.views.measures import ACCURACY, measures
from widgets.views.recipe import describe
from workbench.method import METHODS
from workbench.recipe import Recipe
from workbench.report.figures import Accuracy, Figure, Figures
from workbench.report.report import Report

MOST = 500  # points that are kept: more can neither be told apart nor drawn at once
COARSE = 12  # of them whose accuracy is an estimate: those that a fast sweep went past last
UNTOUCHED = Recipe().digest


@dataclass(frozen=True)
class Point:
    """One recipe on one network. exact: whether all images were run, or there are none.

    recipe: its JSON object. figures: metric -> figure, of those that an axis shows. on: device -> the same, of the
    metrics that depend on it, for the devices that it was visited on. trained: whether its weights were; trained_from:
    by which results. shipped: whether one of these comes with the workbench. suggested: whether it was measured without
    anybody having gone there.
    """

    model: str
    recipe: Mapping[str, Any]
    label: str
    figures: Mapping[str, Figure]
    on: Mapping[str, Mapping[str, Figure]]
    accuracy: Accuracy | None
    exact: bool
    trained: bool = False
    trained_from: str = ""
    shipped: bool = False
    suggested: bool = False

    @property
    def digest(self) -> str:
        return str(self.recipe["digest"])

    @property
    def key(self) -> tuple[str, str]:
        """What makes two visits the same point."""
        return self.model, self.digest

    def figure(self, metric: str, device: str) -> Figure | None:
        """None where it is not known, or not on this device."""
        if metric == ACCURACY.name:
            one = self.accuracy
            return None if one is None else Figure(ACCURACY, one.value, one.badge, one.low, one.high)
        return self.on.get(device, {}).get(metric) or self.figures.get(metric)

    def after(self, earlier: Point | None) -> Point:
        """This visit, with what an earlier one to the same recipe knew beside: other devices, a latency."""
        if earlier is None or earlier.trained_from != self.trained_from:
            return self
        return replace(self, figures={**earlier.figures, **self.figures}, on={**earlier.on, **self.on})


Points = dict[tuple[str, str], Point]  # by their keys, the latest visited last


def visit(points: Points, point: Point, most: int | None = None) -> None:
    """Add `point` to `points`; of more than `most`, or more than `COARSE` coarse ones, those longest unvisited go.

    Untouched networks stay before all others.
    """
    points[point.key] = point.after(points.pop(point.key, None))
    if len(points) > (most or MOST):
        earlier = list(points)[:-1]
        del points[next((key for key in earlier if key[1] != UNTOUCHED), earlier[0])]
    for one in coarse(points)[COARSE:]:
        del points[one.key]


def suggest(points: Points, point: Point) -> None:
    """Add one that nobody has visited; the first to be dropped."""
    if point.key not in points:
        visited = dict(points)
        points.clear()
        points.update({point.key: replace(point, suggested=True), **visited})


def coarse(points: Points) -> list[Point]:
    """Those whose accuracy is an estimate, the latest first."""
    return [point for point in reversed(points.values()) if not point.exact]


def compressed_point(report: Report) -> Point | None:
    """The point of the compressed network, or None while its accuracy is not known, where there are images."""
    found = report.compressed
    if found.accuracy is None and report.data is not None:
        return None
    trained = not report.previews and any(METHODS[step["method"]].mode == "trained" for step in report.recipe["steps"])
    return _point(report, found, report.recipe, describe(report.recipe), trained)


def original_point(report: Report) -> Point | None:
    """The point of the original network, or None where its figures are not known."""
    found = report.original
    if found is None or (found.accuracy is None and report.data is not None):
        return None
    untouched = {**Recipe().to_object(), "digest": UNTOUCHED}
    return replace(_point(report, found, untouched, "original", trained=False), exact=True)


def _point(report: Report, found: Figures, recipe: Mapping[str, Any], label: str, trained: bool) -> Point:
    shown = measures()
    figures = {name: replace(one, by_layer={}) for name, one in found.costs.items() if name in shown}
    if found.latency is not None:
        timed = found.latency
        figures["latency"] = Figure(shown["latency"], timed.median, timed.badge, timed.low, timed.high)
    return Point(
        model=report.model,
        recipe=recipe,
        label=label,
        figures={name: one for name, one in figures.items() if not one.metric.by_device},
        on={report.device: {name: one for name, one in figures.items() if one.metric.by_device}},
        accuracy=found.accuracy,
        exact=found.accuracy is None or found.accuracy.exact,
        trained=trained,
        trained_from=report.trained_from if report.compressed is found else "",
        shipped=bool(report.shipped) and report.compressed is found,
    )
