"""How a network is used: from which battery, how often, at what price. Every default has its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from workbench.errors import WorkbenchError

JOULES_PER_WATT_HOUR = 3600.0


@dataclass(frozen=True)
class Battery:
    """One kind of battery. watt_hours: that it holds when it is new or full. source: where that number is from."""

    name: str
    title: str
    watt_hours: float
    source: str


BATTERIES: Mapping[str, Battery] = MappingProxyType(
    {
        battery.name: battery
        for battery in (
            Battery(
                "cr2032",
                "coin cell (CR2032)",
                0.675,
                "225 mAh at 3.0 V, the typical capacity that IEC 60086 cells of this size are sold with.",
            ),
            Battery(
                "phone",
                "phone battery",
                15.4,
                "4,000 mAh at 3.85 V, a round figure for a phone of 2024; the whole battery would go to the network.",
            ),
        )
    }
)
PRICE = 0.2889
PRICE_SOURCE = "The average price for households in the European Union, taxes included, first half of 2024 (Eurostat)."
PER_DAY = 864_000.0
PER_DAY_SOURCE = "Ten times a second around the clock, a round figure to begin with."
_RANGES = {
    "watt_hours": ("The battery", "watt-hours", 0.001, 100_000.0),
    "per_day": ("The use", "inferences a day", 1.0, 1e10),
    "price": ("The price", "euros per kilowatt-hour", 0.0, 100.0),
}


@dataclass(frozen=True)
class Usage:
    """watt_hours: of the battery. per_day: inferences a day. price: of a kilowatt-hour, in euros.

    Raises WorkbenchError naming the field that is no number or out of its range.
    """

    watt_hours: float = BATTERIES["cr2032"].watt_hours
    per_day: float = PER_DAY
    price: float = PRICE

    def __post_init__(self) -> None:
        for field, (owner, unit, low, high) in _RANGES.items():
            value: Any = getattr(self, field)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise WorkbenchError(f"{owner} must be a number of {unit} from {low:,g} to {high:,g}.")

    @property
    def joules(self) -> float:
        """Of the battery."""
        return self.watt_hours * JOULES_PER_WATT_HOUR

    @classmethod
    def ranges(cls) -> dict[str, tuple[float, float]]:
        """Field -> the least and the most that it may be."""
        return {field: (low, high) for field, (_, _, low, high) in _RANGES.items()}
