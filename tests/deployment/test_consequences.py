"""Battery life and price against the arithmetic done by hand."""

import math

import pytest

from workbench.costs.energy import Energy
from workbench.deployment.consequences import battery_life, price_of_a_million
from workbench.deployment.usage import BATTERIES, Usage
from workbench.errors import WorkbenchError

DAY = 86_400


def test_a_coin_cell_by_hand():
    """0.675 Wh are 2,430 J; a millijoule 1,000 times a day is 1 J a day: 2,430 days."""
    energy = Energy.figure(1e-3, low=0.5e-3, high=2e-3)
    life = battery_life(energy, Usage(watt_hours=0.225 * 3.0, per_day=1000))
    assert (life.low / DAY, life.value / DAY, life.high / DAY) == pytest.approx((1215, 2430, 4860))


def test_a_million_inferences_by_hand():
    """A million times 3.6 J are exactly one kilowatt-hour."""
    price = price_of_a_million(Energy.figure(3.6, low=1.8, high=7.2), Usage(price=0.30))
    assert (price.low, price.value, price.high) == pytest.approx((0.15, 0.30, 0.60))


def test_half_the_energy_is_twice_the_life_and_half_the_price():
    usage = Usage()
    whole, half = Energy.figure(4e-4, low=1e-4, high=9e-4), Energy.figure(2e-4, low=0.5e-4, high=4.5e-4)
    assert battery_life(half, usage).value == pytest.approx(2 * battery_life(whole, usage).value)
    assert battery_life(half, usage).low == pytest.approx(2 * battery_life(whole, usage).low)
    assert price_of_a_million(whole, usage).high == pytest.approx(2 * price_of_a_million(half, usage).high)


def test_what_takes_no_energy_never_ends():
    assert battery_life(Energy.figure(0.0), Usage()).value == math.inf


@pytest.mark.parametrize("wrong", [{"per_day": 0}, {"watt_hours": math.nan}, {"price": -1.0}, {"per_day": "many"},
                                   {"price": True}, {"watt_hours": math.inf}])  # fmt: skip
def test_what_cannot_be_is_one_sentence(wrong):
    with pytest.raises(WorkbenchError, match="must be a number of"):
        Usage(**wrong)


def test_every_battery_names_its_source():
    assert all(battery.source and Usage(watt_hours=battery.watt_hours) for battery in BATTERIES.values())
