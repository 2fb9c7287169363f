"""The layer strip: one row a layer, with its bytes, non-zeros, bits, rank, encoding and what there is to say of it."""

from __future__ import annotations

from typing import Any

from widgets.views import numbers
from widgets.views.latency import of_layer
from workbench.names import printable
from workbench.report.beside import by_owner
from workbench.report.layers import LayerRow
from workbench.report.report import Report

_KINDS = {
    "conv1d": "1-D convolution", "conv2d": "convolution", "conv3d": "3-D convolution", "matmul": "product",
    "conv_transpose1d": "1-D transposed convolution", "conv_transpose2d": "transposed convolution",
    "conv_transpose3d": "3-D transposed convolution",
}  # fmt: skip


def layers(report: Report) -> list[dict[str, Any]]:
    """Rows of finished text in the order of the report, with shares (0..1) for their bars.

    share: of the largest original layer, so that bars compare across layers; `original_share` likewise.
    """
    originals = report.original.size.by_layer if report.original else {}
    largest = max([*(originals.get(row.name, 0) for row in report.layers), *(row.bytes for row in report.layers), 1])
    return [_row(row, originals.get(row.name, 0), largest) for row in report.layers]


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


def _row(row: LayerRow, original: int, largest: int) -> dict[str, Any]:
    return {
        "name": row.name,
        "label": printable(row.name),
        "kind": f"{_KINDS.get(row.kind, row.kind)} {numbers.TIMES.join(str(n) for n in row.shape)}",
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
