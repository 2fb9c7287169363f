"""The four tiles: accuracy, size, operations and energy of the compressed network beside the original's."""

from __future__ import annotations

from typing import Any

from widgets.views import numbers
from workbench.report.report import Accuracy, Figures, Report

COSTS = ("size", "operations", "energy")  # what needs no image

_PARTS = {
    "codes": "weights",
    "indices": "indices",
    "codebooks": "codebooks",
    "scales": "scales",
    "biases": "biases",
    "batch_norm": "batch norm",
    "other": "other",
    "header": "header",
}
_ANSWERS = {"right": "right answers", "wrong": "wrong answers"}
_WORK = {"effective": "done", "skipped": "skipped zeros"}
_SPLIT = {"arithmetic": "arithmetic", "on_chip": "on-chip memory", "dram": "DRAM", "device": "whole device"}


def tiles(report: Report) -> list[dict[str, Any]]:
    """One dict a tile: key, label, value, change, badge, details (lines), original {value, badge}, bar, note.

    value is None while it is not known yet; `bar` is a list of {label, text, share} whose shares sum to 1; `interim` is
    set while the accuracy is an estimate that still narrows.
    """
    return [_accuracy(report), _size(report), _operations(report), _energy(report)]


def _tile(key: str, label: str, **facts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"value": None, "change": "", "details": [], "original": None, "bar": [], "note": ""}
    return {"key": key, "label": label, "interim": False, **empty, **facts}


def _accuracy(report: Report) -> dict[str, Any]:
    was = report.original.accuracy if report.original else None
    was = was if was and was.exact else None  # half-counted, it is nothing to compare with
    now = report.compressed.accuracy
    if report.data is None:
        note = "No test images came with this network, so its accuracy is not known."
        return _tile("accuracy", "Accuracy", badge="simulated", note=note)
    original = was and {"value": numbers.percent(was.value), "badge": was.badge}
    if now is None:
        return _tile("accuracy", "Accuracy", badge="simulated", original=original)
    return _tile(
        "accuracy",
        "Accuracy",
        value=numbers.percent(now.value),
        change=numbers.points(now.value - was.value) if was else "",
        badge=now.badge,
        details=[_interval(now), _images(now, report.data["split"])],
        bar=_bar(_hits(now), _ANSWERS, lambda count: f"{count:,}") if now.exact else [],
        original=original,
        interim=not now.exact,
    )


def _hits(now: Accuracy) -> dict[str, int]:
    right = round(now.value * now.images)
    return {"right": right, "wrong": now.images - right}


def _interval(now: Accuracy) -> str:
    return f"95{numbers.NBSP}% interval {100 * now.low:.2f} to {numbers.percent(now.high)}"


def _images(now: Accuracy, split: str) -> str:
    return f"on {now.images:,} {split} images" + ("" if now.exact else " so far")


def _size(report: Report) -> dict[str, Any]:
    was, now = report.original and report.original.size, report.compressed.size
    return _tile(
        "size",
        "Size",
        value=numbers.bytes_(now.value),
        change=numbers.times(was.value, now.value, "smaller", "larger") if was else "",
        badge=now.badge,
        details=[numbers.exact_bytes(now.value), numbers.percent_change(was.value, now.value) if was else ""],
        original=was and {"value": numbers.bytes_(was.value), "badge": was.badge},
        bar=_bar(now.by_part, _PARTS, lambda count: numbers.bytes_(int(count))),
    )


def _operations(report: Report) -> dict[str, Any]:
    was, now = report.original, report.compressed
    least = "at least " if now.bit_operations.at_least else ""
    work = {"effective": now.effective_macs, "skipped": now.macs - now.effective_macs}
    bits = least + numbers.counted(now.bit_operations.value, "bit operations")
    return _tile(
        "operations",
        "Operations",
        value=least + numbers.counted(now.effective_macs, "MACs"),
        change=numbers.times(was.effective_macs, now.effective_macs, "fewer", "more") if was else "",
        badge="modelled",
        details=["effective: zeros are skipped", bits, f"{_bit_change(was, now)} of these" if was else ""],
        bar=_bar(work, _WORK, lambda count: numbers.counted(count, "MACs")),
        original=was and {"value": least + numbers.counted(was.effective_macs, "MACs"), "badge": "modelled"},
        note=f"For one input of {numbers.TIMES.join(str(n) for n in report.input_shape)}. 1 MAC = 2 FLOPs.",
    )


def _bit_change(was: Figures, now: Figures) -> str:
    return numbers.times(was.bit_operations.value, now.bit_operations.value, "fewer", "more")


def _energy(report: Report) -> dict[str, Any]:
    was, now = report.original and report.original.energy, report.compressed.energy
    return _tile(
        "energy",
        "Energy",
        value=numbers.joules(now.value),
        change=numbers.times(was.value, now.value, "less", "more") if was else "",
        badge=now.badge,
        details=[
            f"range {numbers.joule_range(now.low, now.high)}",
            numbers.percent_change(was.value, now.value) if was else "",
        ],
        original=was and {"value": numbers.joules(was.value), "badge": was.badge},
        bar=_bar(now.split, _SPLIT, numbers.joules),
        note=now.note,
    )


def _bar(parts: Any, names: dict[str, str], text: Any) -> list[dict[str, Any]]:
    total = sum(parts.values())
    return [
        {"key": part, "label": names.get(part, part), "text": text(value), "share": value / total}
        for part, value in parts.items()
        if value > 0
    ]
