"""Whether an order of figures survives their ranges: two that overlap may as well stand the other way round."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.report.figures import Figure


@dataclass(frozen=True)
class Pair:
    """Two of the things ranked, by name, the lesser value first. certain: whether their ranges do not overlap."""

    less: str
    more: str
    certain: bool


def ranked(figures: Mapping[str, Figure]) -> list[Pair]:
    """Every two of `figures` (name -> figure of one metric), in the order of their values.

    A figure without a range is its value alone. With all pairs certain the whole ranking holds wherever in its range
    each figure lies.
    """
    ordered = sorted(figures, key=lambda name: figures[name].value)
    return [
        Pair(less, more, _high(figures[less]) < _low(figures[more]))
        for less, more in itertools.combinations(ordered, 2)
    ]


def _low(figure: Figure) -> float:
    return figure.value if figure.low is None else figure.low


def _high(figure: Figure) -> float:
    return figure.value if figure.high is None else figure.high
