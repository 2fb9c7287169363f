"""What a saved notebook shows in the dashboard's place: its figures as a plain table."""

from __future__ import annotations

from html import escape
from typing import Any

from widgets.views.recipe import describe
from widgets.views.tiles import tiles
from workbench.names import printable
from workbench.report.report import Report

_HOW = "The page itself is live while its kernel runs: run the cell again."
_COLUMNS = ("Figure", "Value", "Change", "Original", "How it is known")


def saved(report: Report) -> str:
    """HTML without style or script; every text in it is escaped."""
    caption = f"{printable(report.model)}, {describe(report.recipe)}"
    rows = "".join(_row(tile) for tile in tiles(report))
    heads = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    table = f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="cwb-saved">{table}<p>{_HOW}</p></div>'


def _row(tile: dict[str, Any]) -> str:
    original = tile["original"]
    texts = (
        tile["value"] or "not known",
        tile["change"],
        original["value"] if original else "",
        tile["badge"],
    )
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f'<tr><th scope="row">{escape(tile["label"])}</th>{cells}</tr>'
