"""Figures in everyday words: wrong answers in 1,000, days of a battery, cents."""

from __future__ import annotations

import math

from widgets.views import numbers
from widgets.views.numbers import NBSP

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_YEAR = 365.25 * _DAY
LONGEST = 10 * _YEAR  # of a battery that nothing is taken from; makers promise about as much
_SPANS = ((2 * _YEAR, _YEAR, "years"), (2 * _DAY, _DAY, "days"), (2 * _HOUR, _HOUR, "hours"), (0.0, _MINUTE, "minutes"))


def span(seconds: float) -> str:
    """Such as "40 minutes", "52 days", "3.1 years", "over 10 years"."""
    if seconds >= LONGEST:
        return f"over 10{NBSP}years"
    size, unit = next((size, unit) for least, size, unit in _SPANS if seconds >= least)
    return f"{_short(seconds / size)}{NBSP}{unit}"


def span_range(low: float, high: float) -> str:
    """Such as "17 days to 2.1 years"; once where both ends read alike."""
    first, last = span(low), span(high)
    return first if first == last else f"{first} to {last}"


def money(euros: float) -> str:
    """Such as "€ 12.30", "3.4 cents", "0.00043 cents", "under 0.0001 cents"."""
    if euros >= 1:
        return f"€{NBSP}{euros:,.2f}"
    cents = 100 * euros
    if 0 < cents < 1e-4:
        return f"under 0.0001{NBSP}cents"
    return f"{_short(cents)}{NBSP}cents"


def money_range(low: float, high: float) -> str:
    """Such as "0.00031 to 0.0012 cents"; once where both ends read alike."""
    first, last = money(low), money(high)
    if first == last:
        return first
    unit = f"{NBSP}cents"
    return f"{first.removesuffix(unit) if last.endswith(unit) else first} to {last}"


def in_a_thousand(share: float) -> str:
    """Such as "6.6 in 1,000"."""
    return f"{1000 * share:.1f}".replace("-", numbers.MINUS) + f" in{NBSP}1,000"


def _short(value: float) -> str:
    """Two significant figures, whole numbers from 10 on: 52, 3.1, 0.00043."""
    if value == 0:
        return "0"
    decimals = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"
