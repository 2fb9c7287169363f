"""What the guidelines of the two surveys say to a report, each only where its figures give reason for it.

A guideline that no figure of the report speaks for is not given; one that it does speak for comes with these figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.report.figures import Accuracy, Latency
from workbench.report.layers import LayerRow
from workbench.report.report import Report

CATALOGUE = {
    "GU-07": "said where the figures show it",
    "GU-08": "said where the figures show it",
    "GU-09": "said where the figures show it",
    "GU-13": "said where the figures show it",
    "GU-17": "said where the figures show it",
    "GU-25": "said where the figures show it",
}

_MANY = 0.5  # zeros of all weights from which on one expects speed of them
_MOST = 0.7  # share that is said to be nearly all
_CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")


@dataclass(frozen=True)
class Advice:
    """number: of the guideline in the catalogue. sentence: what to do. evidence: the figures that it rests on.

    source: the survey that gives the guideline.
    """

    number: str
    sentence: str
    evidence: str
    source: str


def advice(report: Report) -> tuple[Advice, ...]:
    """What applies, the most surprising first."""
    return tuple(found for rule in _RULES for found in (rule(report),) if found is not None)


def _channels(report: Report) -> Advice | None:
    zeros, timed = _zeros(report), _timed(report)
    if timed is None or zeros < _MANY or _faster(*timed):
        return None
    return Advice(
        "GU-08",
        f"{zeros:.0%} zeros and no speed-up: remove whole channels instead, which any processor can leave out.",
        _times(*timed),
        "Goel et al. 2020; Berthelier et al. 2020",
    )


def _fewer_bits(report: Report) -> Advice | None:
    zeros, timed = _zeros(report), _timed(report)
    plain = sum(row.weights for row in report.layers if row.bits == 32)
    if timed is None or zeros < _MANY or _faster(*timed) or 2 * plain < sum(row.weights for row in report.layers):
        return None
    return Advice(
        "GU-13",
        "Sparse weights are slow here: try fewer bits for each weight, which need no list of places.",
        f"{_times(*timed)} Most weights have 32 bits.",
        "Berthelier et al. 2020",
    )


def _retrain(report: Report) -> Advice | None:
    scores = _fallen(report)
    if scores is None or _zeros(report) < 0.05 or not report.compressed.accuracy or report.kind == "faithful":
        return None
    return Advice(
        "GU-09",
        "Pruned and not trained again, which usually wins back most of what was lost.",
        scores,
        "Berthelier et al. 2020",
    )


def _own_bits(report: Report) -> Advice | None:
    scores, widths = _fallen(report), {row.bits for row in report.layers}
    if scores is None or len(report.layers) < 2 or len(widths) != 1 or widths == {32}:
        return None
    (bits,) = widths
    return Advice(
        "GU-07",
        f"All layers have {bits} bit{'s' if bits > 1 else ''}: give more to those that the answers depend on most.",
        scores,
        "Goel et al. 2020",
    )


def _depthwise(report: Report) -> Advice | None:
    if report.original is None:
        return None
    by_layer = report.original.costs["arithmetic_intensity"].by_layer
    rows = [row for row in report.layers[1:] if row.name in by_layer]  # the first one may see one channel for all
    sides = [
        [by_layer[row.name] for row in rows if (row.kind == "conv2d" and _one_filter_each(row)) == depthwise]
        for depthwise in (True, False)
    ]
    if not all(sides):
        return None
    theirs, others = (sorted(side)[len(side) // 2] for side in sides)
    if 2 * theirs > others:
        return None
    return Advice(
        "GU-17",
        "Memory limits the depthwise layers rather than arithmetic: there, fewer bytes save more than fewer MACs.",
        f"Counted on the original: {theirs:.2g} MACs for each byte in the middle one of {len(sides[0])} depthwise "
        f"layers, {others:.2g} in that of the {len(sides[1])} others.",
        "Goel et al. 2020",
    )


def _where(report: Report) -> Advice | None:
    if report.original is None:
        return None
    macs = report.original.costs["macs"].by_layer
    weights = {row.name: 1 for row in report.layers}
    for row in report.layers:
        for side in row.shape:
            weights[row.name] *= side
    rows = [row for row in report.layers if row.name in macs]
    held, done = sum(weights[row.name] for row in rows), sum(macs[row.name] for row in rows)
    linear = sum(weights[row.name] for row in rows if row.kind == "linear") / max(held, 1)
    convolved = sum(macs[row.name] for row in rows if row.kind in _CONVOLUTIONS) / max(done, 1)
    if min(linear, convolved) < _MOST:
        return None
    return Advice(
        "GU-25",
        "Save bytes in the fully connected layers, and operations in the convolutions.",
        f"Counted on the original: {linear:.1%} of the weights are in the former, {convolved:.1%} of the MACs in the "
        "latter.",
        "Goel et al. 2020",
    )


_RULES: tuple[Callable[[Report], Advice | None], ...] = (
    _channels,
    _fewer_bits,
    _retrain,
    _own_bits,
    _depthwise,
    _where,
)


def _zeros(report: Report) -> float:
    """Share of the stored weights that are zero."""
    weights = sum(row.weights for row in report.layers)
    return 1 - sum(row.nonzeros for row in report.layers) / weights if weights else 0.0


def _one_filter_each(row: LayerRow) -> bool:
    return row.shape[1] == 1 and row.shape[0] > 1 and max(row.shape[2:]) > 1


def _timed(report: Report) -> tuple[Latency, Latency] | None:
    was, now = report.original and report.original.latency, report.compressed.latency
    return (was, now) if was and now else None


def _faster(was: Latency, now: Latency) -> bool:
    """Beyond the spread of the measurements."""
    return (now.median if now.high is None else now.high) < (was.median if was.low is None else was.low)


def _times(was: Latency, now: Latency) -> str:
    threads = f" on {now.threads} thread{'' if now.threads == 1 else 's'}" if now.threads else ""
    return f"Measured here{threads}: dense {_milli(was.median)}, packed {_milli(now.median)} for one input."


def _milli(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} µs"


def _fallen(report: Report) -> str | None:
    """Both scores, where the compressed one is lower beyond their intervals."""
    was, now = report.original and report.original.accuracy, report.compressed.accuracy
    if not was or not now or not (was.exact and now.exact) or _low(was) <= _high(now):
        return None
    return f"{now.title} {was.value:.2%} before, {now.value:.2%} now, on {now.images:,} test images."


def _low(score: Accuracy) -> float:
    return score.value if score.low is None else score.low


def _high(score: Accuracy) -> float:
    return score.value if score.high is None else score.high
