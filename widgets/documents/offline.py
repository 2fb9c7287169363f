"""A page with live sliders that needs no kernel: every point that they can reach was compressed and measured ahead.

Between two points there is nothing: the sliders have these stops and no others, and no figure is interpolated. One HTML
file, which asks for nothing from anywhere, opens from a mail, and shows a table of the named choices where scripts are
not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import widgets.draw
from widgets.controls import sliders
from widgets.documents.content import Circumstances, Table
from widgets.documents.markup import Markup, joined, page, tag
from widgets.documents.report_html import drawn
from widgets.documents.scatter import scatter
from widgets.draw import modules
from widgets.views import numbers, stakeholder
from widgets.views.glossary import BADGES
from workbench.devices.device import Device
from workbench.errors import WorkbenchError
from workbench.machine import processor, versions
from workbench.method import AXES, AxisName
from workbench.names import printable
from workbench.report.report import Report
from workbench.search.choices import BITS, RANK, SPARSITY, Choice
from workbench.search.sweep import Case, Trial, grid

_ENTRY = Path(widgets.draw.__file__).parent / "offline" / "offline.js"
_HEADING = (
    tag("h2", "Every setting: file size against wrong answers"),
    tag(
        "p",
        "Each dot is a setting with its 95 % interval; lower and further left is better. Click one to go there.",
        class_="cwb-help",
    ),
)


@dataclass(frozen=True)
class Stops:
    """Where the sliders of the page can be put, the first of each being no compression."""

    sparsity: tuple[float, ...] = SPARSITY
    bits: tuple[int, ...] = BITS
    rank: tuple[float, ...] = RANK

    def cases(self) -> list[Case]:
        """The points of the page: every combination."""
        return grid(self.sparsity, self.bits, self.rank)

    def of(self, axis: AxisName) -> tuple[float, ...]:
        """Those of one slider."""
        return tuple(getattr(self, axis))

    def key(self, choices: Mapping[str, Any]) -> str:
        """Numbers of the stops, in the order of the sliders: "3,1,0"."""
        return ",".join(str(self.of(axis).index(choices[axis])) for axis in sliders.ORDER)


def write(
    points: Sequence[Trial],
    choices: Iterable[Choice],
    around: Circumstances,
    stops: Stops | None = None,
    made: datetime | None = None,
) -> str:
    """The page of these points, which are all that `stops` has, measured. Raises WorkbenchError where some are missing.

    A choice that stands at no such point is left out.
    """
    stops = stops or Stops()
    reports = {stops.key(trial.case.choices): trial.report for trial in points}
    if len(reports) != len(stops.cases()):
        raise WorkbenchError(f"The offline page needs all {len(stops.cases())} points; {len(reports)} were measured.")
    by_digest = {report.recipe["digest"]: key for key, report in reports.items()}
    known = [choice for choice in choices if choice.recipe.digest in by_digest]
    some = next(iter(reports.values()))
    content = {
        "sliders": [_slider(axis, stops.of(axis)) for axis in sliders.ORDER],
        "start": by_digest[known[min(1, len(known) - 1)].recipe.digest] if known else next(iter(reports)),
        "points": {
            key: {
                **stakeholder.shown(report, around.usage, around.goals),
                "said": stakeholder.usage_said(report, around.usage),
            }
            for key, report in reports.items()
        },
        "choices": [
            {**_card(choice, reports[by_digest[choice.recipe.digest]], around), "stops": _stops(by_digest, choice)}
            for choice in known
        ],
        "words": BADGES,
        "chosen": stakeholder.CHOSEN,
    }
    title, about = f"How small can {printable(some.model)} be?", _about(some, len(reports), made or datetime.now(UTC))
    style = joined(
        Markup(modules.style(_ENTRY)), Markup(files("widgets.documents").joinpath("offline.css").read_text("utf-8"))
    )
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    body = joined(
        tag(
            "div",
            tag("header", tag("h1", title), tag("p", about, class_="cwb-help")),
            tag("div", _fallback(known, reports, by_digest, around), id="live"),
            tag("section", *_HEADING, scatter(reports), class_="cwb-card"),
            tag("section", *_sources(around), class_="cwb-card"),
            class_="cwb cwb-offline",
        ),
        Markup(f'<script type="application/json" id="content">{data}</script>'),
    )
    script = f"{modules.script(_ENTRY)}\nrender(document);\n"
    return page(title, style, body, script.replace("</", "<\\/"))


def _stops(by_digest: Mapping[str, str], choice: Choice) -> dict[str, int]:
    return dict(zip(sliders.ORDER, map(int, by_digest[choice.recipe.digest].split(",")), strict=True))


def _slider(axis: AxisName, stops: Sequence[float]) -> dict[str, Any]:
    """As the live page's, with stops numbered from the untouched end on."""
    about = AXES[axis]
    return {
        "axis": axis,
        "label": about.label,
        "help": about.help,
        "low": 0,
        "high": len(stops) - 1,
        "off": 0,
        "direction": 1,
        "texts": [numbers.on_axis(about, stop) for stop in stops],
    }


def _card(choice: Choice, report: Report, around: Circumstances) -> dict[str, Any]:
    accuracy = report.compressed.accuracy
    said = f"{choice.rule.says(accuracy is None or accuracy.share)}."
    return stakeholder.choice(choice.rule.title, said, report, around.usage, choice.recipe.to_object())


def _about(report: Report, points: int, made: datetime) -> str:
    device = Device.load(report.device).title
    judged, accuracy = "", report.compressed.accuracy
    if report.data is not None and accuracy is not None:
        images = f"{accuracy.images:,} {report.data['split']} images"
        judged = f" on {images} of {printable(str(report.data['title']))}"
    with_ = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        f"Each of the {points} settings was really compressed and measured{judged}, {made:%d %B %Y}; energy is "
        f"modelled for {device}. Made with {with_} on {processor()}."
    )


def _fallback(
    choices: Sequence[Choice], reports: Mapping[str, Report], by_digest: Mapping[str, str], around: Circumstances
) -> Markup:
    """What is seen where no script runs, as in the preview of a mail."""
    rows = [("Original", next(iter(reports.values())))]
    rows += [(choice.rule.title, reports[by_digest[choice.recipe.digest]]) for choice in choices]
    figures = [stakeholder.figures(report, around.usage) for _, report in rows]
    head = ("Version", *(figure["label"] for figure in figures[0]))
    table = Table(
        head,
        tuple(
            (title, *(str(figure["value"]) for figure in row)) for (title, _), row in zip(rows, figures, strict=True)
        ),
    )
    return joined(
        tag("p", "The sliders appear where scripts are run: save this file and open it in a browser."), drawn(table)
    )


def _sources(around: Circumstances) -> list[Markup]:
    found = stakeholder.sources(around.usage)
    usage = around.usage
    lines = (
        f"Battery: {numbers.significant(usage.watt_hours)}{numbers.NBSP}Wh. {found['watt_hours']}",
        f"Use: {usage.per_day:,.0f} inferences a day. {found['per_day']}",
        f"Price: €{numbers.NBSP}{usage.price:g} per kWh. {found['price']}",
    )
    return [
        tag("h2", "What battery life and cost assume"),
        tag("ul", *(tag("li", line) for line in lines)),
        tag("ul", id="said"),
    ]
