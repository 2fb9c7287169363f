"""Every point of a sweep as a picture: the size of the file along, wrong answers up, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping

from widgets.documents.markup import Markup, tag
from widgets.views import numbers
from widgets.views.recipe import describe
from workbench.report.report import Report

_WIDTH, _HEIGHT = 900, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 20, 30, 44
_WRONG = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # in 1,000


def scatter(reports: Mapping[str, Report]) -> Markup:
    """reports: by the key that each point's circle bears as `data-key`. Both axes are logarithmic.

    Points whose accuracy is not known, or is no share of right answers, are left out.
    """
    points = {
        key: (int(report.compressed.costs["size"].value), accuracy)
        for key, report in reports.items()
        if (accuracy := report.compressed.accuracy) is not None and accuracy.share
    }
    if not points:
        return tag("p", "Without test images there are no points.", class_="cwb-help")
    sizes = [size for size, _ in points.values()]
    first, last = math.log10(min(sizes)) - 0.05, math.log10(max(sizes)) + 0.05
    least = min(_thousand(1 - (accuracy.high or accuracy.value)) for _, accuracy in points.values())
    bottom = math.log10(max((mark for mark in _WRONG if mark <= least), default=_WRONG[0]))

    def x(size: float) -> float:
        return _LEFT + (math.log10(size) - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        height = (math.log10(_thousand(share)) - bottom) / (3 - bottom)
        return _HEIGHT - _BOTTOM - height * (_HEIGHT - _TOP - _BOTTOM)

    marks = []
    for wrong in _WRONG:
        if math.log10(wrong) >= bottom:
            marks.append(
                tag(
                    "line",
                    x1=_LEFT,
                    x2=_WIDTH - _RIGHT,
                    y1=_at(y(wrong / 1000)),
                    y2=_at(y(wrong / 1000)),
                    class_="grid",
                )
            )
            marks.append(tag("text", f"{wrong:,g}", x=_LEFT - 8, y=_at(y(wrong / 1000) + 4), text_anchor="end"))
    for size in _sizes(10**first, 10**last):
        marks.append(tag("line", x1=_at(x(size)), x2=_at(x(size)), y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="grid"))
        marks.append(tag("text", numbers.bytes_(size), x=_at(x(size)), y=_HEIGHT - _BOTTOM + 18, text_anchor="middle"))
    for key, (size, accuracy) in points.items():
        where = {"cx": _at(x(size)), "cy": _at(y(1 - accuracy.value))}
        said = (
            f"{describe(reports[key].recipe)}: {numbers.bytes_(size)}, {1000 * (1 - accuracy.value):.1f} wrong in 1,000"
        )
        lines = []
        if accuracy.low is not None and accuracy.high is not None:
            ends = {"y1": _at(y(1 - accuracy.low)), "y2": _at(y(1 - accuracy.high))}
            lines.append(tag("line", x1=where["cx"], x2=where["cx"], **ends, class_="interval"))
        marks.append(tag("g", tag("title", said), *lines, tag("circle", **where, r=4.5), data_key=key))
    marks.append(tag("text", "size of the file", x=_WIDTH - _RIGHT, y=_HEIGHT - 4, text_anchor="end"))
    marks.append(tag("text", "wrong answers in 1,000", x=4, y=14))
    said = f"{len(points)} settings: file size against wrong answers, both on logarithmic scales"
    return tag("svg", *marks, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=said)


def _thousand(share: float) -> float:
    """In 1,000; none at all is drawn as half an answer."""
    return max(1000 * share, 0.5)


def _sizes(low: float, high: float) -> list[int]:
    """1, 2 and 5 times a power of ten between the two."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [round(step * 10**power) for power in powers for step in (1, 2, 5) if low <= step * 10**power <= high]


def _at(place: float) -> str:
    return f"{place:.1f}"
