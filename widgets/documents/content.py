"""What a report says, as blocks of finished text that a page and a PDF both show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from widgets.views import layers, numbers, stakeholder
from widgets.views.glossary import BADGES, KINDS
from widgets.views.recipe import describe
from widgets.views.stakeholder import Goals
from workbench.deployment.usage import Usage
from workbench.devices.device import Device
from workbench.machine import processor, versions
from workbench.names import printable
from workbench.report.figures import Accuracy, Figure
from workbench.report.report import Report


@dataclass(frozen=True)
class Circumstances:
    """What a report is read by: how the network would be used, and what is asked of it."""

    usage: Usage = field(default_factory=Usage)
    goals: Goals = field(default_factory=Goals)


@dataclass(frozen=True)
class Table:
    """left: how many of the first columns stand at the left, the others at the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True)
class Bar:
    """One figure before and now. before, now: shares (0..1) of the longer."""

    label: str
    before: float
    before_text: str
    now: float
    now_text: str


@dataclass(frozen=True)
class Bars:
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Lines:
    """Sentences, each on a line of its own."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    text: str


Block = Table | Bars | Lines | Code


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """lead: the sentence below the title. about: pairs of a fact's name and the fact."""

    title: str
    lead: str
    about: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def document(report: Report, around: Circumstances, made: datetime | None = None) -> Document:
    """Everything that is known of one compressed network. made: when, now by default."""
    shown = stakeholder.shown(report, around.usage, around.goals)
    recipe = shown["recipe"]
    sections = [
        Section("In plain words", (_plain_bars(shown["figures"]), _plain_lines(shown["figures"]))),
        Section("Goals", (Lines((shown["verdict"]["summary"], *(row["text"] for row in shown["verdict"]["rows"]))),)),
        Section("Every figure", (Table(_FIGURE_HEAD, tuple(_figure_rows(report))), Lines(tuple(_badges(report))))),
        Section("Layers", (_layers(report),)),
        Section("What battery life and cost assume", (_sources(around.usage), _lines(report, around.usage))),
    ]
    if report.notes:
        sections.append(Section("What to know beside", (Lines(report.notes),)))
    recipe_json = json.dumps({key: one for key, one in report.recipe.items() if key != "digest"}, indent=1)
    again = "Kept in a file, workbench measure --recipe FILE gives these figures again."
    sections.append(Section("The recipe", (Lines((again,)), Code(recipe_json))))
    return Document(
        f"{printable(report.model)}, compressed",
        f"{recipe[:1].upper()}{recipe[1:]}: {_summary(shown)}",
        tuple(_about(report, made or datetime.now(UTC))),
        tuple(sections),
    )


_FIGURE_HEAD = ("Figure", "Original", "Now", "Change", "Range or interval", "How it came about")


def _summary(shown: dict[str, Any]) -> str:
    wrong, size, *_ = shown["figures"]
    said = f"{size['value']}" + (f", {size['change']}" if size["change"] else "")
    if wrong["value"]:
        said += f"; {wrong['label'].lower()} {wrong['value']}" + (f" ({wrong['change']})" if wrong["change"] else "")
    return f"{said}."


def _plain_bars(figures: list[dict[str, Any]]) -> Bars:
    return Bars(
        tuple(
            Bar(one["label"], one["bars"][0], one["original"]["value"], one["bars"][1], one["value"])
            for one in figures
            if one["bars"]
        )
    )


def _plain_lines(figures: list[dict[str, Any]]) -> Lines:
    return Lines(
        tuple(
            f"{one['label']}: {one['value']}"
            + (f", {one['change']}" if one["change"] else "")
            + (f" ({', '.join(one['details'])})" if one["details"] else "")
            + f" [{one['badge']}]"
            for one in figures
            if one["value"] is not None
        )
    )


def _figure_rows(report: Report) -> Iterator[tuple[str, ...]]:
    now, was = report.compressed, report.original
    if now.accuracy is not None:
        before = was.accuracy if was else None
        change = numbers.points(now.accuracy.value - before.value) if before else ""
        yield (
            now.accuracy.title,
            numbers.percent(before.value) if before else "",
            numbers.percent(now.accuracy.value),
            change,
            _interval(now.accuracy),
            now.accuracy.badge,
        )
    for name, figure in now.costs.items():
        before_cost = was.costs.get(name) if was else None
        yield (
            figure.metric.title,
            _value(before_cost) if before_cost else "",
            _value(figure),
            numbers.times(before_cost.value, figure.value, *figure.metric.words) if before_cost else "",
            "" if figure.low is None or figure.high is None
            else numbers.written_range(figure.low, figure.high, figure.unit),
            figure.badge,
        )  # fmt: skip
    if now.latency is not None:
        dense = was.latency if was else None
        yield (
            "Latency",
            numbers.seconds(dense.median) if dense else "",
            numbers.seconds(now.latency.median),
            numbers.times(dense.median, now.latency.median, "faster", "slower") if dense else "",
            "" if now.latency.low is None or now.latency.high is None
            else numbers.second_range(now.latency.low, now.latency.high),
            now.latency.badge,
        )  # fmt: skip


def _value(figure: Figure) -> str:
    if figure.unit == "bytes" and figure.metric.name == "size":
        return numbers.exact_bytes(int(figure.value))
    return f"{'at least ' if figure.at_least else ''}{numbers.written(figure.value, figure.unit)}"


def _interval(accuracy: Accuracy) -> str:
    if accuracy.low is None or accuracy.high is None:
        return f"{accuracy.images:,} images"
    low = numbers.percent(accuracy.low).removesuffix(f"{numbers.NBSP}%")
    return f"{low} to {numbers.percent(accuracy.high)} (95{numbers.NBSP}%)"


def _badges(report: Report) -> Iterator[str]:
    worn = {figure.badge for figure in report.compressed.costs.values()}
    worn |= {"simulated"} if report.compressed.accuracy else set()
    for badge, meaning in BADGES.items():
        if badge in worn:
            yield f"{badge}: {meaning}"
    yield f"{report.kind}: {KINDS[report.kind]}"
    if report.compressed.costs["energy"].note:
        yield f"Energy: {report.compressed.costs['energy'].note}"


def _layers(report: Report) -> Table:
    head = ("Layer", "What it is", "Stored as", "Weights that are not zero", "Bits", "Rank", "Bytes", "Energy")
    rows = tuple(
        (
            row["label"],
            row["kind"],
            row["encoding"],
            row["nonzeros"],
            row["bits"],
            row["rank"],
            row["bytes"],
            row["energy"],
        )
        for row in layers.layers(report)
    )
    return Table(head, rows, left=3)


def _sources(usage: Usage) -> Table:
    found = stakeholder.sources(usage)
    times = f"{numbers.NBSP}"
    return Table(
        ("Assumed", "How much", "Where from"),
        (
            ("Battery", f"{numbers.significant(usage.watt_hours)}{times}Wh", found["watt_hours"]),
            ("Inferences", f"{usage.per_day:,.0f} a day", found["per_day"]),
            ("Electricity", f"€{times}{usage.price:g} per kWh", found["price"]),
        ),
        left=3,
    )


def _lines(report: Report, usage: Usage) -> Lines:
    return Lines(tuple(stakeholder.usage_said(report, usage)[:4]))


def _about(report: Report, made: datetime) -> Iterator[tuple[str, str]]:
    yield "Made", f"{made:%Y-%m-%d %H:%M} UTC"
    yield "Network", printable(report.model)
    accuracy = report.compressed.accuracy
    if report.data is not None and accuracy is not None:
        about = report.data
        yield "Judged by", f"{accuracy.images:,} {about['split']} images of {printable(str(about['title']))}"
        yield "These images", f"{str(about['digest'])[:16]} (SHA-256)"
    yield "Device for energy", Device.load(report.device).title
    yield "Recipe", f"{describe(report.recipe)}; {report.recipe['digest'][:16]} (SHA-256)"
    yield "Processor", processor()
    yield "Versions", ", ".join(f"{name} {version}" for name, version in versions().items())
