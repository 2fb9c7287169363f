"""The network's graph: boxes of its layers, coloured by a figure of theirs, small ones of what holds no weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from widgets.views import numbers
from widgets.views.layers import layers
from workbench.names import printable
from workbench.network.diagram import Diagram, Node
from workbench.network.drawing import Point, drawing
from workbench.report.figures import Figure
from workbench.report.layers import LayerRow
from workbench.report.report import Report

_LONGEST = 20  # letters of a name in a box
_LAYER, _OPERATION = 42, 22  # height of a box
_LETTER, _SIDES, _LEAST = 6.9, 16, 60  # width of a letter, of what is beside them, and of a layer's box at least
_EDGE = 10  # around the whole
_SHORT = {
    "BatchNorm1d": "norm", "BatchNorm2d": "norm", "BatchNorm3d": "norm", "LayerNorm": "norm", "GroupNorm": "norm",
    "MaxPool1d": "max pool", "MaxPool2d": "max pool", "AvgPool2d": "mean pool", "AdaptiveAvgPool2d": "mean pool",
    "Flatten": "flatten",
}  # fmt: skip

Rows = Sequence[LayerRow]


@dataclass(frozen=True)
class Colour:
    """A figure that boxes can be coloured by. value: of the layers in a box; None where it is not known.

    highest: the end of the scale, None for the largest value there is.
    """

    key: str
    title: str
    badge: str
    value: Callable[[Rows], float | None]
    text: Callable[[float], str]
    highest: float | None = None


def colours(report: Report) -> list[Colour]:
    """Those that there are figures for, every cost that layers have first."""
    costs = [figure for figure in report.compressed.costs.values() if figure.metric.column]
    found = [_cost(figure) for figure in costs]
    found.append(Colour("zeros", "Zeros", "on disk", _zeros, lambda share: numbers.percent(share, 1), 1.0))
    found.append(Colour("bits", "Bits of a weight", "on disk", _bits, lambda bits: f"{bits:g}", 32.0))
    if any(row.latency for row in report.layers):
        found.append(Colour("latency", "Latency, packed", "measured", _packed, numbers.seconds))
        found.append(Colour("dense-latency", "Latency, dense", "measured", _dense, numbers.seconds))
    return found


def graph(diagram: Diagram, report: Report, key: str, upright: bool) -> dict[str, Any]:
    """Boxes and lines to be drawn as they are, with the facts of each layer.

    key: of the colour; the first where it has none of that name. upright: whether results go down rather than to the
    right. size: [width, height]. boxes: {place: [x, y, width, height], title, text, share (0..1 or None), layers,
    name, said}. lines: paths as SVG writes them. facts: by layer, pairs of a word and what it is.
    """
    choices = colours(report)
    colour = next((one for one in choices if one.key == key), choices[0])
    rows = {row.name: row for row in report.layers}
    held = [[rows[name] for name in node.layers if name in rows] for node in diagram.nodes]
    values = [colour.value(own) if own else None for own in held]
    known = [value for value in values if value is not None]
    highest = colour.highest or max(known, default=0.0)
    titles = [_title(node) for node in diagram.nodes]
    texts = ["" if value is None else colour.text(value) for value in values]
    sizes = [
        _size(title, text, bool(node.layers)) for node, title, text in zip(diagram.nodes, titles, texts, strict=True)
    ]
    found = drawing([(height, width) if upright else (width, height) for width, height in sizes], diagram.edges)
    said = _said(diagram, texts)
    held_by = sum(bool(node.layers) for node in diagram.nodes)
    boxes = [
        {
            "place": [*_corner(_laid(centre, upright), size), *size],
            "title": title,
            "text": text,
            "share": None if value is None else value / highest if highest else 0.0,
            "layers": list(node.layers),
            "name": ", ".join(map(printable, node.layers)),
            "said": words,
        }
        for node, centre, size, title, text, value, words in zip(
            diagram.nodes, found.centres, sizes, titles, texts, values, said, strict=True
        )
    ]
    width, height = _laid((found.extent[0] - _EDGE, found.extent[1] - _EDGE), upright)
    return {
        "size": [round(width + 2 * _EDGE), round(height + 2 * _EDGE)],
        "boxes": boxes,
        "lines": [_path([_laid(point, upright) for point in route], upright) for route in found.routes.values()],
        "colours": [[one.key, one.title] for one in choices],
        "colour": colour.key,
        "legend": {"title": colour.title, "low": colour.text(0), "high": colour.text(highest), "badge": colour.badge},
        "facts": _facts(diagram, report),
        "note": diagram.note,
        "summary": f"{len(diagram.nodes)} operations, {held_by} of them with weights",
    }


def _cost(figure: Figure) -> Colour:
    column, unit = figure.metric.column, figure.metric.unit

    def value(rows: Rows) -> float:
        own = [row.costs[column] for row in rows]
        return max(own) if "/" in unit else sum(own)  # of a ratio there is no sum

    return Colour(column, figure.metric.title, figure.badge, value, lambda value: numbers.written(value, unit))


def _zeros(rows: Rows) -> float | None:
    weights = sum(row.weights for row in rows)
    return 1 - sum(row.nonzeros for row in rows) / weights if weights else None


def _bits(rows: Rows) -> float:
    return max(row.bits for row in rows)


def _packed(rows: Rows) -> float | None:
    return sum([row.latency.median for row in rows if row.latency]) or None


def _dense(rows: Rows) -> float | None:
    return sum([row.dense_latency.median for row in rows if row.dense_latency]) or None


def _title(node: Node) -> str:
    """The layer's own name; of a box with several, what calls them."""
    if not node.layers:
        return _SHORT.get(node.title, node.title)
    name = printable(node.layers[0])
    if len(node.layers) > 1:
        name = f"{node.title} ({len(node.layers)})"
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"  # names of blocks come first in it


def _size(title: str, text: str, layer: bool) -> tuple[float, float]:
    """Width and height of a box."""
    if layer:
        return max(_LEAST, _LETTER * max(len(title), len(text)) + _SIDES), _LAYER
    return _LETTER * max(len(title), 1) + _SIDES, _OPERATION


def _laid(point: Point, upright: bool) -> Point:
    """(along, across) as x and y on the page."""
    along, across = point[0] + _EDGE, point[1] + _EDGE
    return (across, along) if upright else (along, across)


def _corner(centre: Point, size: tuple[float, float]) -> Point:
    return round(centre[0] - size[0] / 2, 1), round(centre[1] - size[1] / 2, 1)


def _path(points: Sequence[Point], upright: bool) -> str:
    """Straight pieces, and between them curves that leave and arrive along."""
    written = [f"M{_at(points[0])}"]
    for place, (before, after) in enumerate(pairwise(points)):
        if place % 2 == 0 or before[0] == after[0] or before[1] == after[1]:
            written.append(f"L{_at(after)}")
            continue
        middle = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
        turns = [(before[0], middle[1]), (after[0], middle[1])] if upright else [
            (middle[0], before[1]), (middle[0], after[1])
        ]  # fmt: skip
        written.append(f"C{_at(turns[0])} {_at(turns[1])} {_at(after)}")
    return "".join(written)


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _shape(node: Node) -> str:
    return numbers.TIMES.join(str(side) for side in node.shape or ())


def _said(diagram: Diagram, texts: Sequence[str]) -> list[str]:
    """Each node in words: what it is, where its input comes from, what it gives, and its figure."""
    names = [
        f"{', '.join(map(printable, node.layers))} ({node.title})" if node.layers else node.title
        for node in diagram.nodes
    ]
    found = []
    for node, name, text in zip(diagram.nodes, names, texts, strict=True):
        sources = f" of {' and '.join(names[source] for source in node.sources)}" if node.sources else ""
        gives = f", gives {_shape(node)}" if node.shape else ""
        found.append(f"{name}{sources}{gives}{f': {text}' if text else ''}")
    return found


def _facts(diagram: Diagram, report: Report) -> dict[str, list[list[str]]]:
    given = {name: _shape(node) for node in diagram.nodes for name in node.layers}
    return {row["name"]: _of_layer(row, given.get(row["name"], "")) for row in layers(report)}


def _of_layer(row: Mapping[str, Any], given: str) -> list[list[str]]:
    facts = [
        ("Weight", row["kind"]),
        ("Gives", given),
        ("Size", f"{row['bytes']}{', ' if row['change'] else ''}{row['change']}"),
        ("Non-zero", f"{row['nonzeros']} ({row['density_text']})"),
        ("Bits", row["bits"]),
        ("Rank", f"{row['rank']}{', ' if row['break_even'] else ''}{row['break_even']}"),
        ("Encoding", row["encoding"]),
        ("Effective MACs", row["macs"]),
        ("Energy", row["energy"]),
        ("Latency", f"{row['latency']}, {row['dense_latency']}" if row["latency"] else ""),
        ("Note", " ".join(filter(None, (row["note"], row["latency_note"])))),
    ]
    return [[word, text] for word, text in facts if text]
