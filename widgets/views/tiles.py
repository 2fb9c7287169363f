"""The tiles: accuracy, and every cost that asks for one, of the compressed network beside the original's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from widgets.views import numbers
from workbench.report.figures import Accuracy, Figure, Figures
from workbench.report.report import Report

_ANSWERS = {"right": "right answers", "wrong": "wrong answers"}


def tiles(report: Report) -> list[dict[str, Any]]:
    """One dict a tile: key, label, value, change, tone, badge, details, original {value, badge}, bar, how, note.

    value is None while it is not known yet; `tone` is "gain", "loss" or "same"; details: lines, the most telling first;
    `bar` is a list of {label, text, share} whose shares sum to 1; `how`: sentences on how the value came about;
    `interim` is set while the accuracy is an estimate that still narrows.
    """
    return [_accuracy(report), *cost_tiles(report)]


def cost_tiles(report: Report) -> list[dict[str, Any]]:
    """Those of what needs no image, in the order of the report."""
    was, now = report.original, report.compressed
    return [_cost(was, now, figure) for figure in now.costs.values() if figure.metric.tile]


def _tile(key: str, label: str, **facts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "value": None, "change": "", "tone": "same", "details": [], "original": None, "bar": [], "how": [], "note": "",
    }  # fmt: skip
    return {"key": key, "label": label, "interim": False, **empty, **facts}


def _accuracy(report: Report) -> dict[str, Any]:
    was = report.original.accuracy if report.original else None
    was = was if was and was.exact else None  # half-counted, it is nothing to compare with
    now = report.compressed.accuracy
    if report.data is None:
        note = " ".join(report.notes) or "No test images came with this network, so its accuracy is not known."
        return _tile("accuracy", "Accuracy", badge="simulated", note=note)
    label = str(report.data.get("score", "Accuracy"))
    original = was and {"value": numbers.percent(was.value), "badge": was.badge}
    if now is None:
        return _tile("accuracy", label, badge="simulated", original=original)
    return _tile(
        "accuracy",
        label,
        value=numbers.percent(now.value),
        **_compared(was, now),
        badge=now.badge,
        details=[
            *_guessing(now),
            _interval(now),
            _images(now, report.data["split"]),
            *_paired(now),
            *map(_graded, now.beside),
        ],
        how=_counted(now),
        bar=_bar(_hits(now), _ANSWERS, lambda count: f"{count:,}") if now.exact and now.share else [],
        original=original,
        interim=not now.exact,
    )


def _compared(was: Accuracy | None, now: Accuracy) -> dict[str, str]:
    """In points, unless chance alone parts the two networks as far; an estimate is no gain and no loss yet."""
    if was is None:
        return {}
    change = now.value - was.value
    if now.paired is not None and not now.paired.clear:
        return {"change": "no change" if change == 0 else "no clear difference", "tone": "same"}
    tone = "same" if now.paired is None or change == 0 else "gain" if change > 0 else "loss"
    return {"change": numbers.points(change), "tone": tone}


def _guessing(now: Accuracy) -> Iterator[str]:
    if now.no_better_than_guessing and now.guessing is not None:
        yield f"no better than guessing ({numbers.percent(now.guessing)})"


def _paired(now: Accuracy) -> Iterator[str]:
    """What the comparison with the original rests on."""
    if now.paired is None or now.paired.gained is None or now.paired.lost is None:
        return
    gained, lost = now.paired.gained, now.paired.lost
    if gained or lost:
        said = "" if now.paired.clear else ", as far as chance alone often parts two equals"
        yield f"{gained:,} images won and {lost:,} lost against the original (p = {_probability(now.paired.p)}{said})"


def _probability(p: float) -> str:
    return f"{p:.2g}" if p >= 0.001 else "below 0.001"


def _counted(now: Accuracy) -> list[str]:
    if not now.share:
        return ["The mean over the test images; its interval follows from their spread."]
    right = f"{_hits(now)['right']:,} right of {now.images:,} test images = {numbers.percent(now.value)}."
    if not now.exact:
        return ["Estimated from the images run so far, each beside the original's answer to the same one."]
    return [right, "The interval is Wilson's (1927): what other images of their kind would give."]


def _hits(now: Accuracy) -> dict[str, int]:
    right = round(now.value * now.images)
    return {"right": right, "wrong": now.images - right}


def _graded(figure: Figure) -> str:
    """Another score of the task: "mean IoU 81.2 %, 80.9 to 81.5 %"; in the data's own unit, "mean error 0.31, ..."."""
    share = figure.unit == "share"
    text: Callable[[float], str] = numbers.percent if share else "{:,.4g}".format
    title = figure.metric.title[:1].lower() + figure.metric.title[1:]
    said = f"{title} {text(figure.value)}"
    if figure.low is None or figure.high is None:
        return said
    low = text(figure.low).removesuffix(f"{numbers.NBSP}%")
    return f"{said}, {low} to {text(figure.high)}"


def _interval(now: Accuracy) -> str:
    if now.low is None or now.high is None:
        return f"too few images for a 95{numbers.NBSP}% interval"
    low = numbers.percent(now.low).removesuffix(f"{numbers.NBSP}%")
    return f"95{numbers.NBSP}% interval {low} to {numbers.percent(now.high)}"


def _images(now: Accuracy, split: str) -> str:
    return f"on {now.images:,} {split} images" + ("" if now.exact else " so far")


def _cost(was: Figures | None, now: Figures, figure: Figure) -> dict[str, Any]:
    metric = figure.metric
    before = was.costs.get(metric.name) if was else None
    said, remarks = figure.says[:1], figure.says[1:]
    beside = [other for other in now.costs.values() if other.metric.under == metric.name]
    return _tile(
        metric.tile.lower().replace(" ", "-"),
        metric.tile,
        value=_text(figure),
        change=_change(before, figure),
        tone=_tone(before, figure),
        badge=figure.badge,
        details=[*said, *_details(before, figure, bool(beside)), *_beside(was, beside)],
        bar=_bar(_parts(figure), metric.parts, lambda value: numbers.written(value, metric.unit)),
        original=before and {"value": _text(before), "badge": before.badge},
        how=[*_sum(figure), *([metric.how] if metric.how else [])],
        note=" ".join([*remarks, *([figure.note] if figure.note else [])]),
    )


def _details(was: Figure | None, now: Figure, told: bool) -> Iterator[str]:
    """told: whether other figures follow, which then stand in the place of the change in per cent."""
    if now.low is not None and now.high is not None:
        yield f"range {numbers.written_range(now.low, now.high, now.unit)}"
    if now.unit == "bytes":
        yield numbers.exact_bytes(int(now.value))
    if not told:
        yield numbers.percent_change(was.value, now.value) if was else ""


def _beside(was: Figures | None, figures: list[Figure]) -> Iterator[str]:
    """What is told in another figure's tile, and how it changed."""
    for figure in figures:
        before = was.costs.get(figure.metric.name) if was else None
        yield _text(figure)
        yield f"{_change(before, figure)} of these" if before else ""


def _text(figure: Figure) -> str:
    return f"{'at least ' if figure.at_least else ''}{numbers.written(figure.value, figure.unit)}"


def _change(was: Figure | None, now: Figure) -> str:
    """Of a range what its ends say: the middle alone would pretend to know better."""
    if was is None:
        return ""
    ends = [(was.low, now.low), (was.value, now.value), (was.high, now.high)]
    ratios = [before / after for before, after in ends if before and after]
    if was.low is not None and len(ratios) == len(ends):
        return numbers.times_range(ratios, *now.metric.words)
    return numbers.times(was.value, now.value, *now.metric.words)


def _tone(was: Figure | None, now: Figure) -> str:
    """More of a cost is a loss, and so is a network of which nothing is left."""
    if was is None or was.value == now.value:
        return "same"
    return "gain" if 0 < now.value < was.value and now.metric.less_is_better else "loss"


def _sum(figure: Figure) -> Iterator[str]:
    if len([value for value in figure.split.values() if value > 0]) > 1:
        parts = " + ".join(numbers.written(value, figure.unit) for value in figure.split.values() if value > 0)
        yield f"{parts} = {numbers.written(figure.value, figure.unit)}"


def _parts(figure: Figure) -> Mapping[str, float]:
    """What the bar is divided into: the split, or the value and the rest of what it is a share of."""
    if figure.whole is not None:
        return {"value": figure.value, "rest": figure.whole - figure.value}
    return figure.split


def _bar(parts: Mapping[str, float], names: Mapping[str, str], text: Callable[[Any], str]) -> list[dict[str, Any]]:
    total = sum(parts.values())
    return [
        {"key": part, "label": names.get(part, part), "text": text(value), "share": value / total}
        for part, value in parts.items()
        if value > 0
    ]
