"""A report as aligned text for a terminal: plain ASCII, original | compressed | change | badge, then the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from workbench.names import printable, sentence
from workbench.report.beside import Owner
from workbench.report.figures import Accuracy, Figure, Figures, Latency, Metric
from workbench.report.layers import LayerRow

Row = tuple[str, ...]
_LAYER = ("layer", "kind", "shape", "non-zero", "bits", "rank", "encoding")
_LEFT = (0, 1, 2, 6)  # columns of the layers that are flush left


def table(
    head: str,
    original: Figures | None,
    compressed: Figures,
    layers: Sequence[LayerRow],
    beside: Sequence[Owner],
    notes: Sequence[str],
) -> str:
    """`head`, the figures, the layers, the tensors beside them, and what there is to say of them."""
    metrics = [figure.metric for figure in compressed.costs.values() if figure.metric.column]
    rows = [(*_LAYER, *(_column(metric) for metric in metrics))]
    rows += [(*_layer(layer), *_costs(layer, metrics)) for layer in layers]
    if any(layer.latency for layer in layers):
        times = [("dense time", "packed time")]
        times += [(_time(layer.dense_latency), _time(layer.latency)) for layer in layers]
        rows = [cells + pair for cells, pair in zip(rows, times, strict=True)]
    remarks = [
        f"{printable(layer.name)}: {text}" for layer in layers for text in (layer.note, layer.latency_note) if text
    ]
    remarks += notes
    remarks += [f"{_title(figure.metric)}: {figure.note}" for figure in compressed.costs.values() if figure.note]
    figures = [("", "original", "compressed", "change", "badge"), *_figures(original, compressed)]
    if dense := sum(layer.runs_dense is not None for layer in layers):
        figures.append(("  layers run dense", "", f"{dense} of {len(layers)}", "", ""))
    others = [
        (printable(owner.name) or "-", owner.held, f"{owner.bytes:,}", f"{100 * owner.share:.1f}") for owner in beside
    ]
    blocks = [head, _align(figures, (0, 4)), _align(rows, _LEFT)]
    if others:
        blocks.append(_align([("beside the layers", "", "bytes", "% of the size"), *others], (0, 1)))
    return "\n\n".join([*blocks, "\n".join(f"- {sentence(text)}" for text in remarks)])


def _figures(was: Figures | None, now: Figures) -> Iterator[Row]:
    yield from _accuracy(was.accuracy if was else None, now.accuracy)
    for name, figure in now.costs.items():
        yield from _cost(was.costs.get(name) if was else None, figure)
    if now.latency is not None:
        yield from _latency(was.latency if was else None, now.latency)


def _accuracy(was: Accuracy | None, now: Accuracy | None) -> Iterator[Row]:
    if now is None:
        yield "accuracy", "-", "not known", "", ""
        return
    badge = f"{was.badge} | {now.badge}" if was else now.badge
    change = _points(was.value, now.value) if was else ""
    yield f"{now.title.lower()} (%)", *_sides(was, now, lambda side: _percent(side.value)), change, badge
    yield "  95 % interval", *_sides(was, now, lambda side: _span(_percent, side.low, side.high)), "", ""
    yield "  images", *_sides(was, now, lambda side: f"{side.images:,}"), "", ""
    for place, figure in enumerate(now.beside):
        yield from _beside(was.beside[place] if was else None, figure, badge)


def _beside(was: Figure | None, now: Figure, badge: str) -> Iterator[Row]:
    """Another score than the first, a share or in a unit of its own, and its interval."""
    share = now.unit == "share"
    text: Callable[[float], str] = _percent if share else "{:,.4g}".format
    compare = _points if share else _ratio
    before = "-" if was is None else text(was.value)
    change = "" if was is None else compare(was.value, now.value)
    yield f"{_title(now.metric)}{' (%)' if share else ''}", before, text(now.value), change, badge
    interval = "-" if was is None else _span(text, was.low, was.high)
    yield "  95 % interval", interval, _span(text, now.low, now.high), "", ""


def _percent(share: float) -> str:
    """A score that fell far below nothing is written short."""
    return f"{100 * share:.2f}" if abs(share) < 100 else f"{100 * share:.3g}"


def _points(was: float, now: float) -> str:
    change = now - was
    return f"{100 * change:+.2f} points" if abs(change) < 100 else f"{100 * change:+.3g} points"


def _sides(was: Accuracy | None, now: Accuracy, text: Callable[[Accuracy], str]) -> tuple[str, str]:
    return "-" if was is None else text(was), text(now)


def _span(text: Callable[[float], str], low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{text(low)} to {text(high)}"


def _cost(was: Figure | None, now: Figure) -> Iterator[Row]:
    """One row, its range below it, and one for each part of several that is not nothing on both sides."""

    def row(title: str, read: Callable[[Figure], float], badge: str) -> Row:
        before, after = (None if figure is None else read(figure) for figure in (was, now))
        assert after is not None
        return title, _said(was, before), _said(now, after), "" if before is None else _ratio(before, after), badge

    yield row(_named(now.metric), lambda figure: figure.value, now.badge)
    if now.low is not None:
        yield "  low to high", _range(was), _range(now), "", ""
    parts = [part for part in now.split if now.split[part] or (was and was.split.get(part))]
    if len(parts) > 1:
        for part in parts:
            yield row(f"  {part.replace('_', '-')}", lambda figure, part=part: figure.split.get(part, 0), "")  # type: ignore[misc]


def _latency(was: Latency | None, now: Latency) -> Iterator[Row]:
    change = _ratio(was.median, now.median) if was else ""
    yield "latency", _seconds(was.median) if was else "-", _seconds(now.median), change, now.badge
    if now.low is not None:
        yield "  middle half", _middle(was), _middle(now), "", ""


def _layer(row: LayerRow) -> Row:
    return (
        printable(row.name),
        row.kind,
        "x".join(str(n) for n in row.shape),
        f"{row.nonzeros:,} of {row.weights:,}",
        str(row.bits) if row.input_bits == 32 else f"{row.bits} x {row.input_bits}",
        "-" if row.rank is None else str(row.rank),
        row.encoding,
    )


def _costs(row: LayerRow, metrics: Sequence[Metric]) -> Row:
    figures = ((metric.unit, row.costs[metric.column]) for metric in metrics)
    return tuple(f"{value:,}" if unit == "bytes" else _text(unit, value) for unit, value in figures)


def _title(metric: Metric) -> str:
    """Inside a sentence or a row: "energy", "MACs"."""
    return metric.title if metric.title[1:2].isupper() else metric.title[:1].lower() + metric.title[1:]


def _named(metric: Metric) -> str:
    """With the unit, where neither the title nor the numbers say it."""
    title, unit = _title(metric), "kB" if metric.unit == "bytes" else metric.unit
    return title if unit in _WRITTEN or unit.lower() in title.lower() else f"{title} ({unit})"


def _column(metric: Metric) -> str:
    """Short: the unit where it says enough. Bytes of a layer are written in full."""
    return metric.unit if metric.unit == "bytes" or _named(metric).endswith(")") else _named(metric)


def _said(figure: Figure | None, value: float | None) -> str:
    if figure is None or value is None:
        return "-"
    return f"{'at least ' if figure.at_least else ''}{_text(figure.unit, value)}"


def _range(figure: Figure | None) -> str:
    if figure is None or figure.low is None or figure.high is None:
        return "-"
    return f"{_text(figure.unit, figure.low)} to {_text(figure.unit, figure.high)}"


def _text(unit: str, value: float) -> str:
    if unit == "bytes":
        return f"{value / 1000:,.1f}"
    if unit in _WRITTEN:
        return _WRITTEN[unit](value)
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def _joules(value: float) -> str:
    if value == 0:
        return "0 J"
    for factor, unit in ((1.0, "J"), (1e3, "mJ"), (1e6, "uJ"), (1e9, "nJ")):
        if abs(value) * factor >= 1:
            return f"{value * factor:.3g} {unit}" if value * factor < 999.5 else f"{value * factor:,.0f} {unit}"
    return f"{value * 1e12:.3g} pJ"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3f} ms"


_WRITTEN: dict[str, Callable[[float], str]] = {"J": _joules, "s": _seconds}  # units that go with every number


def _ratio(was: float, now: float) -> str:
    """How the compressed figure compares, as a reader would say it: "12.3x less"."""
    if was == now:
        return "same"
    if was <= 0 or now <= 0:
        return "none left" if now <= 0 else ""
    return f"{was / now:.3g}x less" if now < was else f"{now / was:.3g}x more"


def _middle(latency: Latency | None) -> str:
    if latency is None or latency.low is None or latency.high is None:
        return "-"
    return f"{_seconds(latency.low)} to {_seconds(latency.high)}"


def _time(latency: Latency | None) -> str:
    return "-" if latency is None else f"{1e6 * latency.median:,.0f} us"


def _align(rows: Sequence[Row], left: tuple[int, ...]) -> str:
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
