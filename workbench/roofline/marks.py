"""Where each layer lies under the roof: as it came, in torch, and compressed, on its packed kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.report.figures import Figures, Latency
from workbench.report.report import Report

INTENSITY = "arithmetic_intensity"


@dataclass(frozen=True)
class Mark:
    """One layer in one inference. intensity: MACs a byte. rate: MACs a second, those with a zero weight left out.

    seconds: the median that was measured.
    """

    intensity: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class LayerMarks:
    """Each is None where it was not measured, or where the layer multiplies nothing."""

    name: str
    dense: Mark | None
    packed: Mark | None


def marks(report: Report) -> tuple[LayerMarks, ...]:
    """Of every layer of the report, in its order."""
    was, now = _work(report.original), _work(report.compressed)
    return tuple(
        LayerMarks(row.name, _mark(was, row.name, row.dense_latency), _mark(now, row.name, row.latency))
        for row in report.layers
    )


def _work(figures: Figures | None) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Of each layer, MACs that are done and MACs a byte."""
    if figures is None:
        return {}, {}
    return figures.costs["effective_macs"].by_layer, figures.costs[INTENSITY].by_layer


def _mark(work: tuple[Mapping[str, float], Mapping[str, float]], name: str, latency: Latency | None) -> Mark | None:
    macs, intensity = (each.get(name, 0.0) for each in work)
    if latency is None or not macs or not intensity:
        return None
    return Mark(intensity, macs / latency.median, latency.median)
