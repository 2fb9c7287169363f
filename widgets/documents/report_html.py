"""A report as one HTML file: its style and charts within it, no script, nothing from any other address."""

from __future__ import annotations

from datetime import datetime
from functools import singledispatch
from importlib.resources import files

from widgets.documents.content import Bars, Block, Circumstances, Code, Lines, Table, document
from widgets.documents.markup import Markup, joined, page, tag
from workbench.report.report import Report

_WIDTH, _ROW, _LABEL, _TRACK = 860, 52, 250, 400  # of the bars, in units of the drawing


def write(report: Report, around: Circumstances, made: datetime | None = None) -> str:
    """The page."""
    content = document(report, around, made)
    facts = [tag(name, text) for pair in content.about for name, text in zip(("dt", "dd"), pair, strict=True)]
    sections = [
        joined(tag("h2", section.title), *(drawn(block) for block in section.blocks)) for section in content.sections
    ]
    style = files("widgets.documents").joinpath("report.css").read_text(encoding="utf-8")
    body = joined(tag("h1", content.title), tag("p", content.lead, class_="lead"), tag("dl", *facts), *sections)
    return page(content.title, style, tag("main", body))


@singledispatch
def drawn(block: Block) -> Markup:
    """A block as an element."""
    raise TypeError(f"{type(block).__name__} is no block of a report.")


@drawn.register
def _(block: Lines) -> Markup:
    return tag("ul", *(tag("li", line) for line in block.lines))


@drawn.register
def _(block: Code) -> Markup:
    return tag("pre", block.text)


@drawn.register
def _(block: Table) -> Markup:
    def row(name: str, cells: tuple[str, ...]) -> Markup:
        return tag(
            "tr",
            *(
                tag(
                    "th" if column == 0 or name == "th" else "td",
                    cell,
                    class_="left" if column < block.left else None,
                    scope="col" if name == "th" else "row" if column == 0 else None,
                )
                for column, cell in enumerate(cells)
            ),
        )

    table = tag("table", tag("thead", row("th", block.head)), tag("tbody", *(row("td", cells) for cells in block.rows)))
    return tag(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label=f"Table of {block.head[0].lower()}s"
    )


@drawn.register
def _(block: Bars) -> Markup:
    rows = []
    for number, bar in enumerate(block.bars):
        top = number * _ROW
        rows.append(tag("text", bar.label, x=0, y=top + 25))
        for line, (share, text, name) in enumerate(
            ((bar.before, bar.before_text, "before"), (bar.now, bar.now_text, "now"))
        ):
            y = top + 4 + 19 * line
            width = max(2.0, share * _TRACK)
            rows.append(tag("rect", x=_LABEL, y=y, width=f"{width:.1f}", height=14, rx=4, class_=name))
            rows.append(
                tag("text", text, x=f"{_LABEL + width + 8:.1f}", y=y + 12, class_="muted" if line == 0 else None)
            )
    said = "; ".join(f"{bar.label}: {bar.before_text} before, {bar.now_text} now" for bar in block.bars)
    return tag("svg", *rows, viewBox=f"0 0 {_WIDTH} {max(1, len(block.bars)) * _ROW}", role="img", aria_label=said)
