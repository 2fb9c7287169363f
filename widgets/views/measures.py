"""What an axis of the trade-off plot can show and a goal can be set for: accuracy, latency, and costs that say so."""

from __future__ import annotations

from functools import cache
from typing import Any

from widgets.views import numbers
from workbench.costs import COSTS, costs
from workbench.report.figures import Metric

_WRITTEN = ("share", "bytes", "J", "s")  # units that stand behind every figure
ACCURACY = Metric("accuracy", "Accuracy", "share", less_is_better=False, words=("lower", "higher"))


@cache
def measures() -> dict[str, Metric]:
    """By name, accuracy first, in the order of the report."""
    found = (ACCURACY, *(cost.metric for cost in costs() if cost.metric.axis), COSTS["latency"].metric)
    return {metric.name: metric for metric in found}


def described() -> list[dict[str, Any]]:
    """As the page is told of them: key, label, heading (with its unit), unit, bound, and log, whether its axis is."""
    return [
        {
            "key": metric.name,
            "label": metric.title,
            "heading": heading(metric),
            "unit": metric.unit,
            "bound": bound(metric),
            "log": logarithmic(metric),
        }
        for metric in measures().values()
    ]


def bound(metric: Metric) -> str:
    """Which side a limit of it is on."""
    return "at most" if metric.less_is_better else "at least"


def logarithmic(metric: Metric) -> bool:
    """Whether people think of it in ratios."""
    return metric.unit != "share"


def heading(metric: Metric) -> str:
    """The title, with the unit of what is counted where it does not say it: "Arithmetic intensity, MAC/byte"."""
    return metric.title if metric.unit in _WRITTEN or _says_unit(metric) else f"{metric.title}, {metric.unit}"


def brief(metric: Metric, value: float) -> str:
    """As `written`, below or beside its heading: "27.3 M" of bit operations."""
    return written(metric, value) if metric.unit in _WRITTEN else numbers.counted(value, "")


def _says_unit(metric: Metric) -> bool:
    return metric.unit.lower() in metric.title.lower()


def written(metric: Metric, value: float) -> str:
    """Such as "98.50 %", "44.1 kB", "27.1 µs"."""
    return numbers.percent(value) if metric.unit == "share" else numbers.written(value, metric.unit)
