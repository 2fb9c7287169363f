"""Battery life, and the price of a million inferences, from the modelled energy of one.

Only the inferences of the modelled device are counted: nothing for standby, sensors, radio, losses of a converter, or
the ageing of a battery. So a battery never lasts longer than the life that is given here, and electricity never costs
less; both are the range that the energy's own range makes of them.
"""

from __future__ import annotations

import math

from workbench.deployment.usage import JOULES_PER_WATT_HOUR, Usage
from workbench.report.figures import Figure, Metric

SECONDS_PER_DAY = 86_400.0
LEFT_OUT = (
    "Only the inferences themselves are counted, as modelled for the device: no standby, sensor, screen or radio, and "
    "no ageing of the battery."
)
BATTERY_LIFE = Metric(
    "battery_life", "Battery life", "s", less_is_better=False, words=("shorter", "longer"), by_device=True
)
PRICE = Metric("price", "Cost of a million", "EUR", words=("cheaper", "dearer"), by_device=True)
_MILLION = 1_000_000


def battery_life(energy: Figure, usage: Usage) -> Figure:
    """Seconds until `usage.watt_hours` are used up. energy: joules per inference, low to high.

    battery / (energy x inferences a day) days; the highest energy gives the low end.
    """

    def seconds(joules: float | None) -> float | None:
        if joules is None:
            return None
        a_day = joules * usage.per_day
        return usage.joules / a_day * SECONDS_PER_DAY if a_day > 0 else math.inf

    value = seconds(energy.value)
    assert value is not None
    return Figure(BATTERY_LIFE, value, low=seconds(energy.high), high=seconds(energy.low), note=LEFT_OUT)


def price_of_a_million(energy: Figure, usage: Usage) -> Figure:
    """Euros. energy: joules per inference, low to high. energy x 1,000,000 / 3,600,000 J per kWh x price."""

    def euros(joules: float | None) -> float | None:
        return None if joules is None else joules * _MILLION / (1000 * JOULES_PER_WATT_HOUR) * usage.price

    value = euros(energy.value)
    assert value is not None
    return Figure(PRICE, value, low=euros(energy.low), high=euros(energy.high), note=LEFT_OUT)
