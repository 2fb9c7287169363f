"""A table of numbers as a picture: darker cells for larger ones, each with its number. For a notebook's cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from widgets.documents.markup import Markup, tag

_STYLE = (
    ".cwb-heat{border-collapse:collapse;font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums}"
    ".cwb-heat caption{text-align:left;font-weight:600;padding:4px 0}"
    ".cwb-heat :is(th,td){padding:6px 10px;border:1px solid light-dark(#fff,#1c1d20);text-align:right;font-weight:400}"
    ".cwb-heat thead th{vertical-align:bottom}.cwb-heat th:first-child{text-align:left}"
)


class Heatmap:
    """rows: name of a row -> name of a column -> number, or a data frame, whose index names the rows.

    title: above it, with the unit. decimals: of the numbers written. Numbers below zero are drawn as zero is.
    """

    def __init__(self, rows: Mapping[Any, Mapping[Any, float]] | Any, title: str, decimals: int = 1) -> None:
        found = rows.T.to_dict() if hasattr(rows, "T") else rows
        self._rows = {str(name): {str(one): float(cell) for one, cell in row.items()} for name, row in found.items()}
        self._title, self._decimals = title, decimals

    @property
    def columns(self) -> Sequence[str]:
        """In the order of the first row."""
        return list(next(iter(self._rows.values()), {}))

    def _repr_html_(self) -> str:
        largest = max((value for row in self._rows.values() for value in row.values()), default=0.0)
        head = tag("tr", tag("th", ""), *(tag("th", name, scope="col") for name in self.columns))
        body = [
            tag("tr", tag("th", name, scope="row"), *(self._cell(row[column], largest) for column in self.columns))
            for name, row in self._rows.items()
        ]
        table = tag("table", tag("caption", self._title), tag("thead", head), tag("tbody", *body), class_="cwb-heat")
        return f"<style>{_STYLE}</style>{table}"

    def _cell(self, value: float, largest: float) -> Markup:
        share = 0.0 if largest <= 0 else min(1.0, max(0.0, value / largest))
        ink = "#fff" if share > 0.55 else "inherit"
        style = f"background:rgb(36 86 199 / {share:.2f});color:{ink}"
        return tag("td", f"{value:.{self._decimals}f}", style=style)
