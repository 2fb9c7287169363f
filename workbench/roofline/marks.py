"""Where each layer lies under the roof: as it came, in torch, and compressed, on its packed kernel or dense again."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.report.figures import Figures, Latency
from workbench.report.report import Report

INTENSITY = "arithmetic_intensity"


@dataclass(frozen=True)
class Mark:
    """One layer in one inference. intensity: MACs a byte. rate: MACs a second, those with a zero weight left out but
    where dense torch does them.

    seconds: the median that was measured.
    """

    intensity: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class LayerMarks:
    """Each is None where it was not measured, or where the layer multiplies nothing.

    runs_dense: whether dense torch multiplies the compressed layer, too, since its kernel is slower here.
    """

    name: str
    dense: Mark | None
    packed: Mark | None
    runs_dense: bool = False


def marks(report: Report) -> tuple[LayerMarks, ...]:
    """Of every layer of the report, in its order."""
    was, now = _work(report.original), _work(report.compressed)
    now |= {row.name: (row.runs_dense.macs, row.runs_dense.intensity) for row in report.layers if row.runs_dense}
    return tuple(
        LayerMarks(
            row.name,
            _mark(was.get(row.name), row.dense_latency),
            _mark(now.get(row.name), row.latency),
            row.runs_dense is not None,
        )
        for row in report.layers
    )


def _work(figures: Figures | None) -> dict[str, tuple[float, float]]:
    """Of each layer, MACs that are done and MACs a byte."""
    if figures is None:
        return {}
    macs, intensity = figures.costs["effective_macs"].by_layer, figures.costs[INTENSITY].by_layer
    return {name: (macs[name], intensity[name]) for name in macs.keys() & intensity.keys()}


def _mark(work: tuple[float, float] | None, latency: Latency | None) -> Mark | None:
    if latency is None or work is None or not all(work):
        return None
    macs, intensity = work
    return Mark(intensity, macs / latency.median, latency.median)
