"""The trade-off plot: any two measures of every point, the front of the exact ones, its knee, and the goals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from widgets.views import numbers
from widgets.views.goals import goal
from widgets.views.measures import ACCURACY, brief, logarithmic, measures, written
from widgets.views.points import UNTOUCHED, Point
from workbench.report.figures import Metric
from workbench.report.front import front, knee

_LOWEST = -1.0  # a score that falls below is drawn there: one such point would flatten all others


@dataclass(frozen=True)
class Axes:
    """Names of the measures across and up."""

    x: str = "size"
    y: str = ACCURACY.name

    @property
    def pair(self) -> tuple[Metric, Metric]:
        return measures()[self.x], measures()[self.y]


def rows(points: Iterable[Point], original: Point | None, device: str) -> dict[str, dict[str, Any]]:
    """Digest -> what the page draws and lists of one point; the original first.

    values: of each measure in the order of `measures`, a share in per cent, None where it is not known, or not on
    `device`. texts: the same as they are written. bar: the 95 % interval of the score in per cent, None where it is not
    known. kind: "original", "visited" or "suggested". shipped: whether it was trained before the workbench was shipped.
    """
    shown = {point.digest: point for point in points}
    if original is not None:
        shown = {UNTOUCHED: original} | {digest: one for digest, one in shown.items() if digest != UNTOUCHED}
    return {digest: _row(point, device, point is original) for digest, point in shown.items()}


def _row(point: Point, device: str, original: bool) -> dict[str, Any]:
    figures = {name: point.figure(name, device) for name in measures()}
    accuracy = point.accuracy
    known = accuracy is not None and accuracy.low is not None and accuracy.high is not None
    return {
        "digest": point.digest,
        "label": point.label,
        "kind": "original" if original else "suggested" if point.suggested else "visited",
        "trained": point.trained,
        "shipped": point.shipped,
        "exact": point.exact,
        "values": [one and drawn(one.metric, one.value) for one in figures.values()],
        "texts": [
            brief(one.metric, one.value) if one else _unknown(measures()[name], point) for name, one in figures.items()
        ],
        "bar": [drawn(ACCURACY, accuracy.low), drawn(ACCURACY, accuracy.high)] if known else None,  # type: ignore
    }


def drawn(metric: Metric, value: float) -> float:
    """On the scale of its axis, with as many figures as can be told apart there."""
    return float(f"{100 * max(value, _LOWEST) if metric.unit == 'share' else value:.7g}")


def _unknown(metric: Metric, point: Point) -> str:
    if metric.name == "latency":
        return "not measured"
    return "not on this device yet" if metric.by_device and point.on else "not known"


def lines(points: Sequence[Point], axes: Axes, device: str) -> dict[str, Any]:
    """{"front": digests from the best across to the worst, "knee": one of them, or ""}: of exact points alone.

    The bend is looked for on the axes as they are drawn.
    """
    across, up = axes.pair
    known = [
        (point, first.value, second.value)
        for point in points
        if point.exact
        and (first := point.figure(axes.x, device)) is not None
        and (second := point.figure(axes.y, device)) is not None
    ]
    found = front([(first, second) for _, first, second in known], (across.less_is_better, up.less_is_better))
    best = [known[place] for place in found]
    scaled = [
        (point.digest, _scaled(across, first), _scaled(up, second))
        for point, first, second in best
        if math.isfinite(_scaled(across, first)) and math.isfinite(_scaled(up, second))
    ]
    bend = knee([(first, second) for _, first, second in scaled])
    return {"front": [point.digest for point, _, _ in best], "knee": "" if bend is None else scaled[bend][0]}


def _scaled(metric: Metric, value: float) -> float:
    if not logarithmic(metric):
        return value
    return math.log(value) if value > 0 else -math.inf


def rails(axes: Axes, limits: Mapping[str, float]) -> dict[str, float | None]:
    """{"x", "y"}: where the limits lie on the two axes, None without one."""
    return {
        place: drawn(metric, limits[metric.name]) if metric.name in limits else None
        for place, metric in zip("xy", axes.pair, strict=True)
    }


def kept(points: Sequence[Point], limits: Mapping[str, float], axes: Axes, device: str, score: str) -> str:
    """A sentence on how many exact points keep every limit, and which of them is the best across; "" without limits."""
    if not limits:
        return ""
    exact = [point for point in points if point.exact and all(point.figure(name, device) for name in limits)]
    if not exact:
        return "Whether a point reaches the goals is not known on this device yet."
    within = [point for point in exact if all(_keeps(point, name, limit, device) for name, limit in limits.items())]
    said = " and ".join(goal(name, limit, score) for name, limit in limits.items())
    if not within:
        return f"None of {_counted(len(exact))} has {said}."
    across, _ = axes.pair
    verb = "has" if len(within) == 1 else "have"
    sentence = f"{len(within)} of {_counted(len(exact))} {verb} {said}"
    measured = [(figure.value, point) for point in within if (figure := point.figure(axes.x, device)) is not None]
    if axes.x == ACCURACY.name or not measured:
        return f"{sentence}."
    value, best = (min if across.less_is_better else max)(measured, key=lambda one: one[0])
    least = "least" if across.less_is_better else "most"
    return f"{sentence}; {least} {across.title.lower()}: {best.label}, {written(across, value)}."


def _keeps(point: Point, name: str, limit: float, device: str) -> bool:
    figure = point.figure(name, device)
    assert figure is not None  # of those no point is asked
    return figure.value <= limit if figure.metric.less_is_better else figure.value >= limit


def _counted(points: int) -> str:
    return f"{points:,}{numbers.NBSP}point{'' if points == 1 else 's'}"
