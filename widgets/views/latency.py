"""Measured latency: the whole network on its packed kernels beside dense torch, and the same for one layer."""

from __future__ import annotations

from typing import Any

from widgets.views import numbers
from workbench.names import printable
from workbench.report.figures import Latency
from workbench.report.layers import LayerRow
from workbench.report.report import Report

_NAMED = 3  # layers that are told by name


def latency(report: Report) -> dict[str, Any] | None:
    """value, change, badge, conditions and `sides` (label, text, spread, share 0..1 of the longer); None if unmeasured.

    low, high: shares between which the middle half of a side's timings lies, cut off at the end of the axis.
    """
    now = report.compressed.latency
    was = report.original.latency if report.original else None
    if now is None:
        return None
    sides = [("dense torch", was)] if was else []
    sides.append(("packed", now))
    longest = 1.1 * max(one.median for _, one in sides)
    return {
        "value": numbers.seconds(now.median),
        "change": _change(was, now) if was else "",
        "badge": now.badge,
        "conditions": " ".join(filter(None, (_conditions(now), _run_dense(report)))),
        "sides": [_side(label, one, longest) for label, one in sides],
    }


def of_layer(row: LayerRow) -> dict[str, str]:
    """latency, dense_latency and latency_note of one layer as text; all "" where it was not measured."""
    return {
        "latency": numbers.seconds(row.latency.median) if row.latency else "",
        "dense_latency": f"dense {numbers.seconds(row.dense_latency.median)}" if row.dense_latency else "",
        "latency_note": row.latency_note,
    }


def _change(was: Latency, now: Latency) -> str:
    """Quartiles that overlap leave it open which of the two is faster."""
    known = None not in (was.low, was.high, now.low, now.high)
    if known and now.low <= was.high and was.low <= now.high:  # type: ignore[operator]
        return "no difference beyond the spread"
    return numbers.times(was.median, now.median, "faster", "slower")


def _side(label: str, one: Latency, longest: float) -> dict[str, Any]:
    low, high = (one.median if bound is None else bound for bound in (one.low, one.high))
    known = one.low is not None and one.high is not None
    return {
        "label": label,
        "text": numbers.seconds(one.median),
        "spread": f"middle half {numbers.second_range(low, high)}" if known else "",
        "share": one.median / longest,
        "low": min(low / longest, 1.0),
        "high": min(high / longest, 1.0),
    }


def _run_dense(report: Report) -> str:
    names = [printable(row.name) for row in report.layers if row.runs_dense]
    if not names:
        return ""
    listed = ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
    runs, whose = ("runs", "its kernel is") if len(names) == 1 else ("run", "their kernels are")
    return f"{len(names)} of {len(report.layers)} layers {runs} dense, since {whose} slower here: {listed}."


def _conditions(one: Latency) -> str:
    threads = "" if one.threads is None else f" on {one.threads} thread{'s' if one.threads > 1 else ''} of this machine"
    return f"Median time of one input at batch size 1{threads}."
