"""What the page shows at one moment, as the one dict that goes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from widgets.controls import sliders, steps
from widgets.controls.position import Position
from widgets.draw.plotly_bundle import bundle_tag
from widgets.views.challenges import challenges
from widgets.views.glossary import explained, glossary
from widgets.views.latency import latency
from widgets.views.layers import GLANCES, beside, layers, whole
from widgets.views.measures import described
from widgets.views.recipe import describe
from widgets.views.remarks import remarks
from widgets.views.spoken import spoken
from widgets.views.tiles import tiles
from workbench.devices.device import Device
from workbench.method import AxisName
from workbench.models import zoo
from workbench.network.model import Model
from workbench.report.report import Report

FOREIGN = "The recipe now measured was set in Python and is not one that the controls can show; moving one replaces it."


def catalogue(own: Model | None, pieces: Sequence[str]) -> dict[str, Any]:
    """What never changes on one page. own: a network that is not in the zoo, listed first. pieces: what is shown."""
    entries = [zoo.entry(name) for name in zoo.listed()]
    listed = [{"name": one.name, "summary": f"{one.summary} {one.paper}."} for one in entries]
    if own is not None:
        listed.insert(0, {"name": own.name, "summary": "The network that this page was opened with."})
    devices = [Device.load(name) for name in Device.names()]
    return {
        "pieces": list(pieces),
        "models": listed,
        "devices": [{"name": one.name, "title": one.title} for one in devices],
        "sliders": sliders.describe(),
        "methods": steps.describe(),
        "order": list(steps.SLIDERS),
        "most_added": steps.MOST_ADDED,
        "measures": described(),
        "glances": [list(glance) for glance in GLANCES],
        "glossary": glossary(),
        "words": explained(),
        "plotly": bundle_tag(),
    }


def screen(
    position: Position,
    report: Report | None,
    *,
    seq: int,
    answered: int,
    move: int,
    stage: str,
    progress: float,
    fresh: bool,
    timing: bool = False,
    preparing: str = "",
    running: dict[str, Any] | None = None,
    error: str = "",
    foreign: bool = False,
    refused: Mapping[AxisName, Mapping[str, Any]],
) -> dict[str, Any]:
    """The page's state.

    seq: number of the newest move that the page has sent. answered: of the one that `report` answers. move: the
    session's. fresh: whether `report` is that of `position`, which follows from that move. timing: whether its latency
    is on the way. preparing: that kernels are compiled, in words, or "". running: what is trained, see
    `widgets.views.training`. error: a sentence, or "". foreign: whether the recipe has no position. refused: layers
    that sliders leave alone, see `widgets.controls.refusals`. The page's `network` is the one that its figures are of.
    """
    return {
        "seq": seq,
        "answered": answered,
        "move": move,
        "stage": stage,
        "progress": progress,
        "fresh": fresh,
        "error": error,
        "foreign": FOREIGN if foreign else "",
        "position": position.to_dict(),
        "status": _status(report, stage, progress) if fresh else "",
        "preparing": preparing,
        "network": report.model if report else position.model,
        "tiles": tiles(report) if report else [],
        "latency": latency(report) if report else None,
        "timing": timing,
        "training": running,
        "layers": layers(report) if report else [],
        "whole": whole(report) if report else "",
        "refusals": refused,
        "beside": beside(report) if report and report.beside else None,
        "remarks": remarks(report) if report else [],
        "challenges": challenges(report) if report else [],
        "kind": report.kind if report else "",
        "previews": list(report.previews) if report else [],
        "recipe": describe(report.recipe) if report else "",
        "digest": report.recipe["digest"] if report else "",
        "spoken": spoken(report) if report else "",
    }


def _status(report: Report | None, stage: str, progress: float) -> str:
    if stage == "latency":
        return "Measuring latency…" if progress == 1 else f"Preparing the kernels for latency, {progress:.0%}"
    accuracy = report and report.compressed.accuracy
    if not accuracy:
        return "Measuring accuracy…" if stage == "costs" else ""
    if stage == "exact":
        return f"Done: {accuracy.images:,} test images run"
    if stage == "cancelled":
        return f"Cancelled after {accuracy.images:,} test images"
    return f"{accuracy.images:,} test images run, {progress:.0%}"
