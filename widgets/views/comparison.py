"""Two points side by side: every measure of both, what the second changes, and which images differ."""

from __future__ import annotations

from typing import Any

from widgets.views import numbers
from widgets.views.measures import ACCURACY, brief, heading, measures
from widgets.views.points import Point
from workbench.accuracy.difference import Difference
from workbench.report.figures import Figure, Metric

UNKNOWN = "not known"


def comparison(
    first: Point, second: Point, device: str, score: str = ACCURACY.title, found: Difference | None = None
) -> dict[str, Any]:
    """{"titles": both recipes in words, "rows", "verdict", "images"}; found: of the second and the first network.

    rows: {"key", "label", "texts": both figures, "change": of the second against the first, "better": "first", "second"
    or ""}. verdict, images: sentences, "" while the answers of both are not known.
    """
    rows = [
        _row(metric, score, first.figure(name, device), second.figure(name, device), found)
        for name, metric in measures().items()
    ]
    return {
        "titles": [first.label, second.label],
        "rows": [row for row in rows if row is not None],
        "verdict": _verdict(found, score) if found else "",
        "images": _images(found) if found else "",
    }


def _row(
    metric: Metric, score: str, one: Figure | None, other: Figure | None, found: Difference | None
) -> dict[str, Any] | None:
    if one is None and other is None:
        return None
    share = metric is ACCURACY
    return {
        "key": metric.name,
        "label": score if share else heading(metric),
        "texts": [brief(metric, figure.value) if figure else UNKNOWN for figure in (one, other)],
        "change": _change(metric, one, other, found) if one and other else "",
        "better": _better(metric, one, other, found) if one and other else "",
    }


def _change(metric: Metric, one: Figure, other: Figure, found: Difference | None) -> str:
    if metric is not ACCURACY:
        return numbers.times(one.value, other.value, *metric.words)
    return "no clear difference" if found and not found.clear else numbers.points(other.value - one.value)


def _better(metric: Metric, one: Figure, other: Figure, found: Difference | None) -> str:
    """Accuracy only where the images tell the two apart, latency only where the quartiles do."""
    if one.value == other.value or (metric is ACCURACY and not (found and found.clear)):
        return ""
    if metric.name == "latency" and _overlap(one, other):
        return ""
    return "second" if (other.value < one.value) == metric.less_is_better else "first"


def _overlap(one: Figure, other: Figure) -> bool:
    if None in (one.low, one.high, other.low, other.high):
        return False
    return one.low <= other.high and other.low <= one.high  # type: ignore[operator]


def _verdict(found: Difference, score: str) -> str:
    if found.low is None or found.high is None:
        return f"{numbers.points(found.value)}: too few images to tell the two apart."
    ends = f"{_signed(found.low)} to {_signed(found.high)}{numbers.NBSP}points"
    interval = f"95{numbers.NBSP}% interval of the difference {ends}"
    if found.clear:
        return f"{score} differs by {numbers.points(found.value)} ({interval}, image by image)."
    return f"No clear difference in {score.lower()} on these {found.images:,} images ({interval}, image by image)."


def _images(found: Difference) -> str:
    if found.differ is None:
        return ""
    if not found.differ:
        return f"Both answer all {found.images:,} images alike."
    verb = "gets" if found.differ == 1 else "get"
    return (
        f"{found.differ:,} of {found.images:,} images {verb} another answer: "
        f"{found.lost:,} right only in the first, {found.gained:,} only in the second."
    )


def _signed(change: float) -> str:
    return numbers.points(change).removesuffix(f"{numbers.NBSP}points").replace("no change", "0.00")
