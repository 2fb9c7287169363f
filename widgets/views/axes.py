"""Where an axis has its marks, and what these say."""

from __future__ import annotations

import math
from typing import Any

from widgets.views import numbers

_STEPS = (1.0, 2.0, 5.0, 10.0)


def marks(low: float, high: float, most: int = 7) -> list[dict[str, Any]]:
    """At round numbers between two ends, at most so many: {"at": share of the way, "text"}; none of an empty axis."""
    if not high > low:
        return []
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in _STEPS if one * power >= rough * (1 - 1e-9))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [
        {"at": round((number * step - low) / (high - low), 4), "text": plain(number * step, decimals)}
        for number in range(first, last + 1)
    ]


def plain(value: float, decimals: int) -> str:
    """Such as "−0.20", "1,500"; zero has no sign and no decimals."""
    text = f"{value:,.{decimals}f}"
    return "0" if value == 0 or not text.strip("-0.,") else text.replace("-", numbers.MINUS)


class Logarithmic:
    """An axis from `low` to `high`, both above zero; what is below its lower end is drawn at it."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._span = math.log10(low), max(math.log10(high) - math.log10(low), 1e-9)

    def at(self, value: float) -> float:
        """Share of the way, 0..1."""
        if value <= 0:
            return 0.0
        return min(1.0, max(0.0, (math.log10(value) - self._low) / self._span))

    def marks(self) -> list[dict[str, Any]]:
        """At every power of ten, or at every second one and so on where there are more than seven."""
        first, last = math.ceil(self._low - 1e-9), math.floor(self._low + self._span + 1e-9)
        every = max(1, -(-(last - first + 1) // 7))
        return [
            {"at": round(self.at(10.0**power), 4), "text": _power(power)}
            for power in range(first, last + 1)
            if not power % every
        ]


def _power(power: int) -> str:
    return plain(10.0**power, max(0, -power))
