"""A report as a PDF, by ReportLab, with the fonts that come with it."""

from __future__ import annotations

import io
from datetime import datetime
from functools import cache, singledispatch
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import KeepTogether, Paragraph, Preformatted, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from widgets.documents.content import Bars, Block, Circumstances, Code, Lines, Table, document
from workbench.report.report import Report

_TEXT, _MUTED, _LINE, _ACCENT, _BEFORE = map(HexColor, ("#1d1f23", "#53565c", "#d5d8dc", "#2456c7", "#9aa0a8"))
_MARGIN, _ROW, _LABEL, _TRACK = 50, 34, 150, 230  # points
_WIDTH = A4[0] - 2 * (_MARGIN + 6)  # a frame leaves 6 points at either side


def write(report: Report, around: Circumstances, made: datetime | None = None) -> bytes:
    """The file's bytes; nothing is written to disk."""
    _fonts()
    content = document(report, around, made)
    flow: list[Any] = [
        Paragraph(_safe(content.title), _style("title", 20, bold=True, after=2, leading=25)),
        Paragraph(_safe(content.lead), _style("lead", 12, after=10)),
        *(Paragraph(f"{_safe(name)}: {_safe(text)}", _style("fact", 8, colour=_MUTED)) for name, text in content.about),
    ]
    for section in content.sections:
        heading = Paragraph(_safe(section.title), _style("heading", 12.5, bold=True, before=16, after=6))
        first, *others = [piece for block in section.blocks for piece in _drawn(block)]
        flow += [KeepTogether([heading, first]), *others]
    file = io.BytesIO()
    made_of = SimpleDocTemplate(
        file, pagesize=A4, title=content.title, author="Compression workbench", subject=content.lead,
        leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=46, bottomMargin=46,
    )  # fmt: skip
    made_of.build(flow, onFirstPage=_numbered, onLaterPages=_numbered)
    return file.getvalue()


@singledispatch
def _drawn(block: Block) -> list[Any]:
    raise TypeError(f"{type(block).__name__} is no block of a report.")


@_drawn.register
def _(block: Lines) -> list[Any]:
    return [Paragraph(_safe(line), _style("line", 9, after=3)) for line in block.lines]


@_drawn.register
def _(block: Code) -> list[Any]:
    return [Preformatted(_known(block.text), _style("code", 6.5, leading=8))]


@_drawn.register
def _(block: Table) -> list[Any]:
    sides = ["left" if column < block.left else "right" for column in range(len(block.head))]
    head = [Paragraph(_safe(cell), _cell(side, _MUTED)) for cell, side in zip(block.head, sides, strict=True)]
    rows = [
        [Paragraph(_safe(cell), _cell(side, _TEXT)) for cell, side in zip(row, sides, strict=True)]
        for row in block.rows
    ]
    longest = [max(len(row[column]) for row in (block.head, *block.rows)) for column in range(len(block.head))]
    shares = [min(max(length, 7), 34) for length in longest]
    widths = [_WIDTH * share / sum(shares) for share in shares]
    grid = Grid([head, *rows], colWidths=widths, repeatRows=1)
    grid.setStyle(
        [
            ("LINEABOVE", (0, 1), (-1, -1), 0.5, _LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 6),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
    )
    return [grid, Spacer(0, 6)]


@_drawn.register
def _(block: Bars) -> list[Any]:
    height = len(block.bars) * _ROW
    drawing = Drawing(_WIDTH, height)
    for number, bar in enumerate(block.bars):
        top = height - number * _ROW
        drawing.add(String(0, top - 17, _known(bar.label), fontName="Vera", fontSize=8.5, fillColor=_TEXT))
        for line, (share, text, colour) in enumerate(
            ((bar.before, bar.before_text, _BEFORE), (bar.now, bar.now_text, _ACCENT))
        ):
            y, width = top - 12 - 13 * line, max(1.5, share * _TRACK)
            drawing.add(Rect(_LABEL, y, width, 9, rx=2, ry=2, fillColor=colour, strokeColor=None))
            drawing.add(
                String(_LABEL + width + 6, y + 1.5, _known(text), fontName="Vera", fontSize=8, fillColor=_MUTED)
            )
    return [drawing, Spacer(0, 6)]


def _cell(side: str, colour: Any) -> ParagraphStyle:
    style = _style("cell", 7, colour=colour, leading=9)
    if side == "right":
        style.alignment = TA_RIGHT
    return style


def _style(
    name: str, size: float, *, bold: bool = False, colour: Any = _TEXT, before: float = 0, after: float = 0,
    leading: float = 0,
) -> ParagraphStyle:  # fmt: skip
    return ParagraphStyle(
        name, fontName="VeraBd" if bold else "Vera", fontSize=size, leading=leading or 1.4 * size, textColor=colour,
        spaceBefore=before, spaceAfter=after, splitLongWords=1,
    )  # fmt: skip


def _numbered(canvas: Any, made_of: Any) -> None:
    canvas.setFont("Vera", 7)
    canvas.setFillColor(_MUTED)
    canvas.drawRightString(A4[0] - _MARGIN, 28, str(made_of.page))


def _safe(text: str) -> str:
    """Without markup of its own, which a paragraph would obey."""
    return escape(_known(text))


def _known(text: str) -> str:
    """What the font has; anything else is shown as a question mark."""
    known = _fonts()
    return "".join(one if one == "\n" or ord(one) in known else "?" for one in text.replace("\u00a0", " "))


@cache
def _fonts() -> frozenset[int]:
    """Registered once; the characters that both have."""
    faces = [TTFont(name, f"{name}.ttf") for name in ("Vera", "VeraBd")]
    for face in faces:
        pdfmetrics.registerFont(face)
    return frozenset.intersection(*(frozenset(face.face.charToGlyph) for face in faces))
