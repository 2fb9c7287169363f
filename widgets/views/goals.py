"""A goal in words: "size at most 50.0 kB", "accuracy at least 98.00 %"."""

from __future__ import annotations

from widgets.views.measures import ACCURACY, bound, measures, written


def limit_text(name: str, limit: float) -> str:
    """The limit alone: "50.0 kB"."""
    return written(measures()[name], limit)


def goal(name: str, limit: float, score: str = ACCURACY.title) -> str:
    """score: what the images' task calls accuracy."""
    metric = measures()[name]
    title = score if metric is ACCURACY else metric.title
    return f"{title[:1].lower()}{title[1:]} {bound(metric)} {limit_text(name, limit)}"
