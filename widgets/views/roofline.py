"""The roofline of this machine with each layer under it: as it came, in torch, and compressed, on its packed kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from widgets.views import numbers
from workbench.names import printable
from workbench.roofline.machine import Bandwidth, Machine
from workbench.roofline.marks import LayerMarks, Mark

_ROOM = 1.6  # factor between what is drawn outermost and the end of an axis


def roofline(machine: Machine, layers: Iterable[LayerMarks]) -> dict[str, Any]:
    """Places are shares (0..1) of a plot with two logarithmic axes, from its lower left corner.

    across, up: {title, ticks: [[share, text]]}. roofs: {text, points: [[x, y]]}. marks: {layer, dense, packed}, each of
    the two {x, y, said} or None. rows: of the table, finished text under `heads`. machine: a sentence. summary: one on
    what limits the layers.
    """
    layers = [one for one in layers if one.dense or one.packed]
    found = [mark for one in layers for mark in (one.dense, one.packed) if mark]
    fastest = max(machine.bandwidths, key=lambda one: one.bytes_per_second)
    slowest = min(machine.bandwidths, key=lambda one: one.bytes_per_second)
    ends = [machine.ridge(fastest), machine.ridge(slowest)]
    across = _axis([*(mark.intensity for mark in found), *ends])
    up = _axis([*(mark.rate for mark in found), machine.macs_per_second])
    roofs = [fastest] if fastest is slowest else [fastest, slowest]
    return {
        "across": {"title": "MACs for each byte", "ticks": _ticks(across, lambda value: f"{value:g}")},
        "up": {"title": "MACs a second", "ticks": _ticks(up, lambda value: numbers.counted(value, ""))},
        "roofs": [_roof(machine, one, across, up) for one in roofs],
        "marks": [
            {
                "layer": printable(one.name),
                "dense": _place(one.name, "dense", one.dense, across, up),
                "packed": _place(one.name, _PACKED[one.runs_dense], one.packed, across, up),
            }
            for one in layers
        ],
        "heads": ["Layer", "MACs a byte", "MACs a second", "of the roof", "Limited by"],
        "rows": [_row(machine, fastest, slowest, one) for one in layers],
        "machine": _said(machine, roofs),
        "summary": _summary(machine, fastest, [one.packed or one.dense for one in layers]),
    }


_PACKED = {False: "packed", True: "compressed, run dense"}
Axis = tuple[float, float]  # logarithms of its ends


def _axis(values: Iterable[float]) -> Axis:
    known = list(values)
    return math.log10(min(known) / _ROOM), math.log10(max(known) * _ROOM)


def _at(value: float, axis: Axis) -> float:
    return round((math.log10(value) - axis[0]) / (axis[1] - axis[0]), 4)


def _ticks(axis: Axis, text: Callable[[float], str]) -> list[list[Any]]:
    powers = range(math.ceil(axis[0]), math.floor(axis[1]) + 1)
    return [[_at(10.0**power, axis), text(10.0**power)] for power in powers]


def _roof(machine: Machine, bandwidth: Bandwidth, across: Axis, up: Axis) -> dict[str, Any]:
    """From where it enters the plot to the ridge, and on level to the end."""
    ridge, peak = machine.ridge(bandwidth), machine.macs_per_second
    first = max(10 ** across[0], 10 ** up[0] / bandwidth.bytes_per_second)
    corners = [(first, first * bandwidth.bytes_per_second), (ridge, peak), (10 ** across[1], peak)]
    return {"text": _reading(bandwidth), "points": [[_at(x, across), _at(y, up)] for x, y in corners]}


def _reading(one: Bandwidth) -> str:
    rate = f"{numbers.significant(one.bytes_per_second / 1e9)}{numbers.NBSP}GB/s"
    return f"arrays of {numbers.bytes_(one.array)}: {rate}"


def _place(name: str, side: str, mark: Mark | None, across: Axis, up: Axis) -> dict[str, Any] | None:
    if mark is None:
        return None
    rate = numbers.counted(mark.rate, "MACs a second")
    said = f"{printable(name)}, {side}: {rate}, {numbers.significant(mark.intensity)} MACs for each byte, "
    return {
        "x": _at(mark.intensity, across),
        "y": _at(mark.rate, up),
        "said": f"{said}{numbers.seconds(mark.seconds)}",
    }


def _row(machine: Machine, fastest: Bandwidth, slowest: Bandwidth, one: LayerMarks) -> list[str]:
    sides = [mark for mark in (one.dense, one.packed) if mark]
    last = sides[-1]
    return [
        printable(one.name),
        _arrow(numbers.significant(mark.intensity) for mark in sides),
        _arrow(numbers.counted(mark.rate, "") for mark in sides),
        _arrow(numbers.percent(mark.rate / machine.roof(mark.intensity), 0) for mark in sides),
        _limit(machine, fastest, slowest, last),
    ]


def _arrow(texts: Iterable[str]) -> str:
    return " → ".join(texts)


def _limit(machine: Machine, fastest: Bandwidth, slowest: Bandwidth, mark: Mark) -> str:
    if mark.intensity < machine.ridge(fastest):
        return "reading"
    if mark.intensity < machine.ridge(slowest):
        return "reading, unless a cache holds it"
    return "arithmetic"


def _said(machine: Machine, roofs: Iterable[Bandwidth]) -> str:
    threads = f"{machine.threads} thread{'' if machine.threads == 1 else 's'}"
    peak = numbers.counted(machine.macs_per_second, "MACs a second")
    reads = "; ".join(_reading(one) for one in roofs)
    return (
        f"Measured on this machine ({printable(machine.processor)}, {threads}), the best that was seen: a dense "
        f"product of float32 does {peak}, and reading gives, for {reads}. Kernels on few bits may pass this roof."
    )


def _summary(machine: Machine, fastest: Bandwidth, marks: Iterable[Mark | None]) -> str:
    known = [mark for mark in marks if mark]
    reading = sum(mark.intensity < machine.ridge(fastest) for mark in known)
    if not known:
        return ""
    if reading == len(known):
        return "Reading limits every layer: fewer bytes make it faster, fewer operations alone do not."
    if reading == 0:
        return "Arithmetic limits every layer as long as the fastest cache holds it, not reading."
    return (
        f"Reading limits {reading} of {len(known)} layers: there, fewer bytes help and fewer operations alone do not."
    )
