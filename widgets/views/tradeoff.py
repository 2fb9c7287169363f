"""The trade-off plot: one point for every recipe visited of late, its accuracy over what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from widgets.views import numbers
from widgets.views.recipe import describe
from workbench.recipe import Recipe
from workbench.report.report import Figures, Report

MOST = 500  # points that are kept: more can neither be told apart nor drawn at once
_UNTOUCHED = Recipe().digest
AXES = (
    {"key": "size", "label": "Size", "unit": "bytes"},
    {"key": "macs", "label": "Effective operations", "unit": "MACs"},
    {"key": "bit_operations", "label": "Bit operations", "unit": "bit operations"},
    {"key": "energy", "label": "Energy", "unit": "J"},
)


@dataclass(frozen=True)
class Point:
    """One recipe on one network. accuracy, low, high: shares 0..1; `exact` once all images were run.

    costs: size in bytes, macs, bit_operations. energy: device -> joules, for the devices that it was visited on.
    """

    model: str
    digest: str
    label: str
    costs: Mapping[str, float]
    energy: Mapping[str, float]
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
        return self if earlier is None else replace(self, energy={**earlier.energy, **self.energy})

    def to_row(self, device: str) -> dict[str, Any]:
        """What the page draws and lists; energy is None where it is not known on `device`."""
        energy = self.energy.get(device)
        return {
            "digest": self.digest,
            "label": self.label,
            **self.costs,
            "energy": energy,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "exact": self.exact,
            "texts": {
                "size": numbers.bytes_(int(self.costs["size"])),
                "macs": numbers.counted(self.costs["macs"], "MACs"),
                "bit_operations": numbers.counted(self.costs["bit_operations"], "bit operations"),
                "energy": "not on this device yet" if energy is None else numbers.joules(energy),
                "accuracy": numbers.percent(self.accuracy),
            },
        }


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
    """{"title", "original", "current" (digest), "points"}: those of `points` that are of the report's network."""
    original = original_point(report)
    return {
        "title": report.model,
        "original": original and original.to_row(report.device),
        "current": report.recipe["digest"],
        "points": [one.to_row(report.device) for one in points if one.model == report.model],
    }


def _point(report: Report, figures: Figures | None, digest: str, label: str) -> Point | None:
    if figures is None or figures.accuracy is None:
        return None
    accuracy = figures.accuracy
    return Point(
        model=report.model,
        digest=digest,
        label=label,
        costs={
            "size": figures.size.value,
            "macs": figures.effective_macs,
            "bit_operations": figures.bit_operations.value,
        },
        energy={report.device: figures.energy.value},
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        exact=accuracy.exact,
    )
