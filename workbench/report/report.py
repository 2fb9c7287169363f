"""The report: every figure of one compressed network beside the original's, with where each figure came from.

1 MAC = 1 multiply-accumulate = 2 FLOPs; 1 kB = 1,000 bytes. Operations and energy are those of one inference at batch
size 1. Plain data: nothing here computes a figure, and no torch or numpy is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

CATALOGUE = ("ME-09",)

Badge = Literal["modelled", "simulated", "measured", "on disk"]
Kind = Literal["preview", "faithful"]


@dataclass(frozen=True)
class Accuracy:
    """Share of test images answered rightly, with its 95 % interval; all three between 0 and 1.

    images: how many test images have been run. exact: whether those are all that were asked for; while it is False,
    `value` is an estimate. badge: "measured" for the original, "simulated" for decoded compressed weights run in torch.
    """

    value: float
    low: float
    high: float
    images: int
    badge: Badge
    exact: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "images": self.images,
            "badge": self.badge,
        }


@dataclass(frozen=True)
class Size:
    """Bytes of the packed file.

    by_layer: layer name -> bytes including its bias; other modules' tensors stand under their module's name, the file's
    own under "header". by_part: codes, indices, codebooks, scales, biases, batch_norm, other, header. Both sum to
    `value`.
    """

    value: int
    by_layer: Mapping[str, int]
    by_part: Mapping[str, int]
    badge: Badge = "on disk"

    def to_dict(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "by_layer": dict(self.by_layer),
            "by_part": dict(self.by_part),
            "badge": self.badge,
        }


@dataclass(frozen=True)
class BitOperations:
    """Effective MACs, each times the widths of its weight and its activation in bits.

    at_least: the network holds an operator that could not be counted, so every operation count is a lower bound.
    """

    value: int
    at_least: bool

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value, "at_least": self.at_least}


@dataclass(frozen=True)
class Energy:
    """Joules per inference: a modelled range low <= value <= high, never a measurement.

    split: what `value` is the sum of: "arithmetic", "on_chip" and "dram", or "device" alone where only the whole board
    was ever measured. note: one sentence that says what the model rests on. by_layer: what each layer adds to `value`,
    with the work that no layer owns under "(between layers)"; it feeds the layers' rows and is not in the JSON.
    """

    low: float
    value: float
    high: float
    split: Mapping[str, float]
    note: str
    badge: Badge = "modelled"
    by_layer: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "low": self.low,
            "value": self.value,
            "high": self.high,
            "split": dict(self.split),
            "badge": self.badge,
            "note": self.note,
        }


@dataclass(frozen=True)
class Latency:
    """Median seconds of one inference on this machine, at batch size 1.

    low, high: the quartiles, between which the middle half of all timings lies. threads: that it ran on.
    """

    median: float
    badge: Badge = "measured"
    low: float | None = None
    high: float | None = None
    threads: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Figures:
    """All figures of one network. accuracy is None without test images or before the first of them has been run.

    macs: dense MACs of the network as it now stands. effective_macs: those whose weight is not zero.
    """

    accuracy: Accuracy | None
    size: Size
    macs: int
    effective_macs: int
    bit_operations: BitOperations
    energy: Energy
    latency: Latency | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy and self.accuracy.to_dict(),
            "size": self.size.to_dict(),
            "macs": self.macs,
            "effective_macs": self.effective_macs,
            "bit_operations": self.bit_operations.to_dict(),
            "energy": self.energy.to_dict(),
            "latency": self.latency and self.latency.to_dict(),
        }


@dataclass(frozen=True)
class LayerRow:
    """One compressed layer.

    shape: of the uncompressed weight. weights, nonzeros: stored weights (of both factors where there are two), and
    those that are not zero. bits: width of a stored weight, the widest where factors differ. input_bits: of a number of
    the layer's input. rank: inner dimension,
    None without factors. break_even_rank: the largest rank at which factors hold no more weights than the layer, None
    for a layer that cannot be factored. bytes: in the packed file, bias included. energy: joules per inference.
    note: a sentence on this layer, or "". dense_latency, latency: of the layer as it came in torch, and on its packed
    kernel; None where not measured. latency_note: why the kernel brings nothing, or "".
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    nonzeros: int
    bits: int
    input_bits: int
    rank: int | None
    break_even_rank: int | None
    encoding: str
    bytes: int
    macs: int
    effective_macs: int
    energy: float
    note: str = ""
    dense_latency: Latency | None = None
    latency: Latency | None = None
    latency_note: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"shape": list(self.shape)}


@dataclass(frozen=True)
class Report:
    """Everything that is known of one compressed network.

    model, device: names. data: {"name", "split", "images", "digest"} of the images that accuracy was counted on, None
    without data. original: None for a file whose original network is not at hand. recipe: its JSON object with its
    "digest". input_shape: of the one input, without batch, that the
    operations are counted for. original: None where it is not at hand (the packed file of a user's own network).
    notes: sentences on the whole. kind: "preview" where weights were only cut or rounded, "faithful" where every method
    was applied as its paper asks.
    """

    model: str
    data: Mapping[str, Any] | None
    device: str
    recipe: Mapping[str, Any]
    original: Figures | None
    compressed: Figures
    layers: tuple[LayerRow, ...]
    notes: tuple[str, ...]
    kind: Kind
    input_shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The object that `workbench measure --json` prints: numbers, strings, lists and dicts only."""
        return {
            "model": self.model,
            "data": self.data and dict(self.data),
            "device": self.device,
            "recipe": dict(self.recipe),
            "input_shape": list(self.input_shape),
            "original": self.original and self.original.to_dict(),
            "compressed": self.compressed.to_dict(),
            "layers": [row.to_dict() for row in self.layers],
            "notes": list(self.notes),
            "kind": self.kind,
        }

    def table(self) -> str:
        """The report as aligned text for a terminal: original | compressed | change | badge, then the layers."""
        size = " x ".join(str(n) for n in self.input_shape)
        images = f"{self.data['name']} {self.data['split']} images" if self.data else "no test images"
        head = (
            f"{self.model} on {images}, device {self.device}, recipe {self.recipe['digest'][:12]} ({self.kind})\n"
            f"one inference = one input of {size}; 1 MAC = 2 FLOPs; 1 kB = 1,000 bytes"
        )
        figures = [("", "original", "compressed", "change", "badge"), *self._figure_rows()]
        layers = [
            ("layer", "kind", "shape", "non-zero", "bits", "rank", "encoding", "bytes", "effective MACs", "energy"),
            *(_layer_cells(row) for row in self.layers),
        ]
        blocks = [head, _align(figures, left=(0, 4)), _align(layers, left=(0, 1, 2, 6))]
        if any(row.latency for row in self.layers):
            heads, *cells = layers
            times = ((_time(row.dense_latency), _time(row.latency)) for row in self.layers)
            layers = [(*heads, "dense time", "packed time"), *(a + b for a, b in zip(cells, times, strict=True))]
            blocks[2] = _align(layers, left=(0, 1, 2, 6))
        remarks = [f"{row.name}: {text}" for row in self.layers for text in (row.note, row.latency_note) if text]
        remarks += self.notes
        remarks.append(f"energy: {self.compressed.energy.note}")
        return "\n\n".join([*blocks, "\n".join(f"- {text}" for text in remarks)])

    def _figure_rows(self) -> list[tuple[str, ...]]:
        was, now = self.original, self.compressed
        least = "at least " if now.bit_operations.at_least else ""

        def row(
            name: str, figure: Callable[[Figures], float], text: Callable[[float], str], badge: str
        ) -> tuple[str, ...]:
            if was is None:
                return name, "-", text(figure(now)), "", badge
            return name, text(figure(was)), text(figure(now)), _ratio(figure(was), figure(now)), badge

        def whole(count: float) -> str:
            return f"{least}{count:,.0f}"

        rows = [
            *_accuracy_rows(was.accuracy if was else None, now.accuracy),
            row("size (kB)", lambda one: one.size.value, lambda size: f"{size / 1000:,.1f}", now.size.badge),
            row("MACs", lambda one: one.macs, whole, "modelled"),
            row("effective MACs", lambda one: one.effective_macs, whole, "modelled"),
            row("bit operations", lambda one: one.bit_operations.value, whole, "modelled"),
            row("energy", lambda one: one.energy.value, _joules, now.energy.badge),
            ("  low to high", _span(was.energy) if was else "-", _span(now.energy), "", ""),
        ]
        if len(now.energy.split) > 1:
            rows += [
                row(f"  {part.replace('_', '-')}", lambda one, part=part: one.energy.split[part], _joules, "")  # type: ignore[misc]
                for part in now.energy.split
            ]
        if now.latency is not None and (was is None or was.latency is not None):
            rows.append(
                row("latency", lambda one: one.latency.median if one.latency else 0.0, _seconds, now.latency.badge)
            )
            if now.latency.low is not None:
                was_time = was.latency if was else None
                rows.append(("  middle half", _middle(was_time), _middle(now.latency), "", ""))
        return rows


def _accuracy_rows(was: Accuracy | None, now: Accuracy | None) -> list[tuple[str, ...]]:
    if now is None:
        return [("accuracy", "-", "not known", "", "")]
    columns = [one and (f"{100 * one.value:.2f}", f"{100 * one.low:.2f} to {100 * one.high:.2f}", f"{one.images:,}")
               for one in (was, now)]  # fmt: skip
    before, after = (column or ("-", "-", "-") for column in columns)
    change = f"{100 * (now.value - was.value):+.2f} points" if was else ""
    return [
        ("accuracy (%)", before[0], after[0], change, f"{was.badge} | {now.badge}" if was else now.badge),
        ("  95 % interval", before[1], after[1], "", ""),
        ("  images", before[2], after[2], "", ""),
    ]


def _layer_cells(row: LayerRow) -> tuple[str, ...]:
    return (
        row.name,
        row.kind,
        "x".join(str(n) for n in row.shape),
        f"{row.nonzeros:,} of {row.weights:,}",
        str(row.bits) if row.input_bits == 32 else f"{row.bits} x {row.input_bits}",
        "-" if row.rank is None else str(row.rank),
        row.encoding,
        f"{row.bytes:,}",
        f"{row.effective_macs:,}",
        _joules(row.energy),
    )


def _ratio(was: float, now: float) -> str:
    """How the compressed figure compares, as a reader would say it: "12.3x less"."""
    if was == now:
        return "same"
    if was <= 0 or now <= 0:
        return "none left" if now <= 0 else ""
    return f"{was / now:.3g}x less" if now < was else f"{now / was:.3g}x more"


def _joules(value: float) -> str:
    if value == 0:
        return "0 J"
    for factor, unit in ((1.0, "J"), (1e3, "mJ"), (1e6, "uJ"), (1e9, "nJ")):
        if abs(value) * factor >= 1:
            return f"{value * factor:.3g} {unit}" if value * factor < 999.5 else f"{value * factor:,.0f} {unit}"
    return f"{value * 1e12:.3g} pJ"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3f} ms"


def _middle(latency: Latency | None) -> str:
    if latency is None or latency.low is None or latency.high is None:
        return "-"
    return f"{_seconds(latency.low)} to {_seconds(latency.high)}"


def _time(latency: Latency | None) -> str:
    return "-" if latency is None else f"{1e6 * latency.median:,.0f} us"


def _span(energy: Energy) -> str:
    return f"{_joules(energy.low)} to {_joules(energy.high)}"


def _align(rows: Sequence[tuple[str, ...]], left: tuple[int, ...]) -> str:
    """Rows as columns two spaces apart; the columns in `left` are flush left, the others flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
