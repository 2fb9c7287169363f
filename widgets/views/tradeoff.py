"""The trade-off plot: one point for every recipe visited of late, its accuracy over what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from widgets.views import numbers
from widgets.views.recipe import describe
from workbench.costs import costs
from workbench.recipe import Recipe
from workbench.report.figures import Figure, Figures, Metric
from workbench.report.report import Report

MOST = 500  # points that are kept: more can neither be told apart nor drawn at once
_LOWEST = -1.0  # a score that falls below is drawn there: one such point would flatten all others
_UNTOUCHED = Recipe().digest


@dataclass(frozen=True)
class Point:
    """One recipe on one network. accuracy, low, high: shares, 1 at best; `exact` once all images were run.

    costs: metric -> figure, of those that an axis shows. on: device -> the same, of the metrics that depend on it, for
    the devices that it was visited on.
    """

    model: str
    digest: str
    label: str
    costs: Mapping[str, Figure]
    on: Mapping[str, Mapping[str, Figure]]
    accuracy: float
    low: float
    high: float
    exact: bool

    @property
    def key(self) -> tuple[str, str]:
        """What makes two visits the same point."""
        return self.model, self.digest

    def after(self, earlier: Point | None) -> Point:
        """This visit, with what an earlier one to the same recipe knew of other devices."""
        return self if earlier is None else replace(self, on={**earlier.on, **self.on})

    def to_row(self, device: str) -> dict[str, Any]:
        """What the page draws and lists; a figure is None where it is not known, or not on `device`."""
        figures = {**self.costs, **self.on.get(device, {})}
        row: dict[str, Any] = {"digest": self.digest, "label": self.label}
        texts = {}
        for metric in axes():
            figure = figures.get(metric.name)
            unknown = "not on this device yet" if metric.by_device and self.on else "not known"
            row[metric.name] = figure and figure.value
            texts[metric.name] = unknown if figure is None else numbers.written(figure.value, metric.unit)
        return {
            **row,
            "accuracy": max(self.accuracy, _LOWEST),
            "low": max(self.low, _LOWEST),
            "high": max(self.high, _LOWEST),
            "exact": self.exact,
            "texts": {**texts, "accuracy": numbers.percent(self.accuracy)},
        }


def axes() -> tuple[Metric, ...]:
    """The metrics that accuracy can be drawn over."""
    return tuple(cost.metric for cost in costs() if cost.metric.axis)


def described() -> list[dict[str, Any]]:
    """The axes as the page is told of them."""
    return [{"key": metric.name, "label": metric.title, "unit": metric.unit} for metric in axes()]


def visit(points: dict[tuple[str, str], Point], point: Point, most: int | None = None) -> None:
    """Add `point` to `points`, the latest visited last, and drop the longest unvisited of more than `most`.

    Untouched networks stay before all others.
    """
    points[point.key] = point.after(points.pop(point.key, None))
    if len(points) > (most or MOST):
        earlier = list(points)[:-1]
        del points[next((key for key in earlier if key[1] != _UNTOUCHED), earlier[0])]


def compressed_point(report: Report) -> Point | None:
    """The point of the compressed network, or None while its accuracy is not known."""
    return _point(report, report.compressed, report.recipe["digest"], describe(report.recipe))


def original_point(report: Report) -> Point | None:
    """The point of the original network, or None where its accuracy is not known."""
    point = _point(report, report.original, "original", "original")
    return point and replace(point, exact=True)


def tradeoff(points: Iterable[Point], report: Report) -> dict[str, Any]:
    """{"title", "score", "original", "current" (digest), "points"}: those of `points` of the report's network."""
    original = original_point(report)
    return {
        "title": report.model,
        "score": report.data.get("score", "Accuracy") if report.data else "Accuracy",
        "original": original and original.to_row(report.device),
        "current": report.recipe["digest"],
        "points": [point.to_row(report.device) for point in points if point.model == report.model],
    }


def _point(report: Report, figures: Figures | None, digest: str, label: str) -> Point | None:
    if figures is None or figures.accuracy is None:
        return None
    accuracy = figures.accuracy
    drawn = {name: figure for name, figure in figures.costs.items() if figure.metric.axis}
    return Point(
        model=report.model,
        digest=digest,
        label=label,
        costs={name: figure for name, figure in drawn.items() if not figure.metric.by_device},
        on={report.device: {name: figure for name, figure in drawn.items() if figure.metric.by_device}},
        accuracy=accuracy.value,
        low=accuracy.value if accuracy.low is None else accuracy.low,
        high=accuracy.value if accuracy.high is None else accuracy.high,
        exact=accuracy.exact,
    )
