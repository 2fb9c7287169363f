"""The layers: of each its bytes, operations, energy, non-zeros, bits, rank, encoding and what there is to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.views import numbers
from widgets.views.latency import of_layer
from workbench.names import printable
from workbench.report.beside import by_owner
from workbench.report.layers import LayerRow
from workbench.report.report import Report

GLANCES = (("bytes", "Bytes"), ("effective_macs", "Operations"), ("energy", "Energy"))
_KINDS = {
    "conv1d": "1-D convolution", "conv2d": "convolution", "conv3d": "3-D convolution", "matmul": "product",
    "conv_transpose1d": "1-D transposed convolution", "conv_transpose2d": "transposed convolution",
    "conv_transpose3d": "3-D transposed convolution",
}  # fmt: skip


def layers(report: Report) -> list[dict[str, Any]]:
    """Rows of finished text in the order of the report, with shares (0..1) for their bars.

    share: of the largest original layer, so that bars compare across layers; `original_share` likewise. glances: the
    same two, {"now", "was"}, of each of `GLANCES`. glance: these figures in one line, each with its share of all.
    """
    originals = {column: _originals(report, column) for column, _ in GLANCES}
    largest = {column: max(1e-30, *_all(report, column), *originals[column].values()) for column in originals}
    totals = {column: sum(_all(report, column)) for column in originals}
    return [
        {
            **_row(row, originals["bytes"].get(row.name, 0), largest["bytes"]),
            "glance": _glance(row, totals),
            "glances": {
                column: {
                    "now": round(row.costs[column] / largest[column], 4),
                    "was": round(originals[column].get(row.name, 0) / largest[column], 4),
                }
                for column in originals
            },
        }
        for row in report.layers
    ]


def whole(report: Report) -> str:
    """What all layers together have come to, whatever each was given: "Whole network: 88.2 % zeros, 3.4 bits"."""
    weights = sum(row.weights for row in report.layers)
    if not weights:
        return ""
    zeros = percent_of_all(weights - sum(row.nonzeros for row in report.layers), weights)
    bits = sum(row.weights * row.bits for row in report.layers) / weights
    return f"Whole network: {zeros} zeros, {bits:.3g}{numbers.NBSP}bits a weight"


def percent_of_all(part: float, whole: float) -> str:
    return numbers.percent(part / whole if whole else 0.0, 1)


def _originals(report: Report, column: str) -> Mapping[str, float]:
    """Layer -> what it had of a cost before, of the layers that there are."""
    if report.original is None:
        return {}
    figure = next((one for one in report.original.costs.values() if one.metric.column == column), None)
    names = {row.name for row in report.layers}
    return {name: value for name, value in figure.by_layer.items() if name in names} if figure else {}


def _all(report: Report, column: str) -> list[float]:
    return [row.costs[column] for row in report.layers]


def _glance(row: LayerRow, totals: Mapping[str, float]) -> str:
    """Such as "12.4 kB (22.1 %) · 480 k operations (20.9 %) · 4.94 µJ (1.9 %)"."""
    texts = {
        "bytes": numbers.bytes_(row.bytes),
        "effective_macs": numbers.counted(row.effective_macs, "MACs"),
        "energy": numbers.joules(row.energy),
    }
    return " · ".join(f"{text} ({percent_of_all(row.costs[column], totals[column])})" for column, text in texts.items())


def kind(name: str, shape: tuple[int, ...]) -> str:
    """Such as "convolution 20×1×5×5"."""
    return f"{_KINDS.get(name, name)} {numbers.TIMES.join(str(side) for side in shape)}"


def beside(report: Report) -> dict[str, Any]:
    """The tensors that no layer holds: a line on all of them, and one for each module."""
    owners = by_owner(report.beside)
    count, size = len(report.beside), sum(owner.bytes for owner in owners)
    whole = f"{numbers.percent(sum(owner.share for owner in owners), 1)} of the size"
    return {
        "summary": f"{count} tensors beside the layers, stored as they are: {numbers.bytes_(size)}, {whole}",
        "owners": [
            f"{printable(owner.name) + ': ' if owner.name else ''}{owner.held.replace('x', numbers.TIMES)}, "
            f"{numbers.bytes_(owner.bytes)}, {numbers.percent(owner.share, 1)}"
            for owner in owners
        ],
    }


def _row(row: LayerRow, original: float, largest: float) -> dict[str, Any]:
    return {
        "name": row.name,
        "label": printable(row.name),
        "kind": kind(row.kind, row.shape),
        "nonzeros": f"{row.nonzeros:,} of {row.weights:,}",
        "density": row.nonzeros / row.weights if row.weights else 0.0,
        "density_text": numbers.percent(row.nonzeros / row.weights if row.weights else 0.0, 1),
        "bits": _bits(row),
        "rank": "full" if row.rank is None else str(row.rank),
        "break_even": "" if row.rank is None or row.break_even_rank is None else f"break-even {row.break_even_rank}",
        "above_break_even": _above_break_even(row),
        "encoding": row.encoding,
        "bytes": numbers.bytes_(row.bytes),
        "change": numbers.times(original, row.bytes, "smaller", "larger") if original not in (0, row.bytes) else "",
        "share": row.bytes / largest,
        "original_share": original / largest,
        "macs": numbers.counted(row.effective_macs, ""),
        "energy": numbers.joules(row.energy),
        "note": row.note,
        **of_layer(row),
    }


def _bits(row: LayerRow) -> str:
    """Width of a stored weight, and of a number of the input where inputs are rounded, too: "4 × 8 bits"."""
    if row.input_bits != 32:
        return f"{row.bits}{numbers.NBSP}{numbers.TIMES}{numbers.NBSP}{row.input_bits}{numbers.NBSP}bits"
    return "32 (float)" if row.bits == 32 else str(row.bits)


def _above_break_even(row: LayerRow) -> bool:
    """Whether the factors hold more weights than the layer that they replace."""
    return row.rank is not None and row.break_even_rank is not None and row.rank > row.break_even_rank
