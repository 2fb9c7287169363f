"""One sentence for the live region, spoken by a screen reader once a move has settled."""

from __future__ import annotations

from widgets.views.latency import latency
from widgets.views.recipe import describe
from widgets.views.tiles import tiles
from workbench.report.report import Report


def spoken(report: Report) -> str:
    """Such as "sparsity 90 %: accuracy 97.93 % (−0.42 points), size 52.1 kB (20.5× smaller), ..."."""
    figures = [
        f"{tile['label'].lower()} {tile['value']}" + (f" ({tile['change']})" if tile["change"] else "")
        for tile in tiles(report)
        if tile["value"]
    ]
    timed = latency(report)
    if timed:
        figures.append(f"latency {timed['value']}" + (f" ({timed['change']})" if timed["change"] else ""))
    return f"{describe(report.recipe)}: {', '.join(figures)}."
