"""What people who decide are told: figures against the report, goals against the figures."""

import dataclasses
import re

import pytest

from widgets.views import everyday, stakeholder
from widgets.views.everyday import money, money_range, span, span_range
from widgets.views.stakeholder import Goals
from workbench.deployment.usage import Usage
from workbench.errors import WorkbenchError

DAY = 86_400


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (90, "1.5 minutes"), (3 * 3600, "3.0 hours"), (52.4 * DAY, "52 days"), (700 * DAY, "700 days"),
        (1096 * DAY, "3.0 years"), (11 * 365.25 * DAY, "over 10 years"), (float("inf"), "over 10 years"),
    ],
)  # fmt: skip
def test_spans(seconds, said):
    assert plain(span(seconds)) == said


@pytest.mark.parametrize(
    ("euros", "said"),
    [(12.3, "€ 12.30"), (0.034, "3.4 cents"), (4.3e-6, "0.00043 cents"), (1e-9, "under 0.0001 cents"), (0, "0 cents")],
)
def test_money(euros, said):
    assert plain(money(euros)) == said


def test_ranges_name_the_unit_once_and_one_end_where_both_read_alike():
    assert plain(money_range(3e-6, 1.2e-5)) == "0.00030 to 0.0012 cents"
    assert plain(span_range(17 * DAY, 3 * 365.25 * DAY)) == "17 days to 3.0 years"
    assert plain(span_range(12 * 365.25 * DAY, float("inf"))) == "over 10 years"


def test_the_figures_are_those_of_the_report(squeezed):
    wrong, size, life, price = stakeholder.figures(squeezed, Usage())
    now, was = squeezed.compressed, squeezed.original
    assert plain(wrong["value"]) == f"{1000 * (1 - now.accuracy.value):.1f} in 1,000"
    assert wrong["original"]["badge"] == "measured" and wrong["badge"] == "simulated"
    assert size["details"] == [f"{int(now.size.value):,}\u00a0bytes"] and size["badge"] == "on disk"
    assert size["bars"] == [1.0, pytest.approx(now.size.value / was.size.value)]
    seconds = 0.675 * 3600 / (now.energy.value * 864_000) * DAY
    assert life["value"] == span(seconds) and life["tone"] == "better" and life["badge"] == "modelled"
    assert life["bars"] == [pytest.approx(now.energy.value / was.energy.value), 1.0]
    assert price["value"] == money(now.energy.value * 1e6 / 3.6e6 * Usage().price)


@pytest.mark.parametrize(
    ("clear", "change", "tone"), [(False, "no clear difference", "same"), (True, "10.0 more", "worse")]
)
def test_what_chance_may_do_is_no_change(squeezed, clear, change, tone):
    was = squeezed.original.accuracy
    paired = dataclasses.replace(squeezed.compressed.accuracy.paired, clear=clear)
    accuracy = dataclasses.replace(squeezed.compressed.accuracy, value=was.value - 0.01, paired=paired)
    figures = dataclasses.replace(squeezed.compressed, accuracy=accuracy)
    (wrong, *_) = stakeholder.figures(dataclasses.replace(squeezed, compressed=figures), Usage())
    assert (wrong["change"], wrong["tone"]) == (change, tone)


def verdict(report, **goals):
    return stakeholder.shown(report, Usage(), Goals(**{"wrong": None, "size": None, "life": None, **goals}))["verdict"]


def test_a_goal_is_met_missed_or_open(squeezed):
    accuracy, size = squeezed.compressed.accuracy, squeezed.compressed.size.value / 1000
    wrong, worst = 1000 * (1 - accuracy.value), 1000 * (1 - accuracy.low)
    assert verdict(squeezed, wrong=worst + 1)["met"] == "meets"
    assert verdict(squeezed, wrong=(wrong + worst) / 2)["met"] == "open"
    missed = verdict(squeezed, wrong=wrong - 1)
    assert missed["met"] == "misses" and "misses by 1.0 in" in missed["rows"][0]["text"]
    assert verdict(squeezed, size=size)["met"] == "meets"
    assert verdict(squeezed, size=round(size - 1, 3))["met"] == "misses"
    days = [
        0.675 * 3600 / (joules * 864_000)
        for joules in (squeezed.compressed.energy.high, squeezed.compressed.energy.low)
    ]
    assert [verdict(squeezed, life=goal)["met"] for goal in (days[0] / 2, sum(days) / 2, 2 * days[1])] == [
        "meets", "open", "misses",
    ]  # fmt: skip


def test_all_goals_together(squeezed):
    assert verdict(squeezed)["summary"] == "No goals are set."
    assert verdict(squeezed, size=1e6, wrong=1000.0)["summary"] == "Meets both goals."
    assert verdict(squeezed, size=0.1, wrong=1000.0)["summary"] == "Misses 1 of 2 goals."


@pytest.mark.parametrize("wrong", [{"wrong": -1}, {"size": "small"}, {"life": float("nan")}, {"wrong": True}])
def test_a_goal_that_is_none_is_one_sentence(wrong):
    with pytest.raises(WorkbenchError, match="must be a number from"):
        Goals(**wrong)


def test_the_formulas_hold_their_numbers(squeezed):
    energy, life, price, *_ = map(plain, stakeholder.usage_said(squeezed, Usage(per_day=1000, price=0.5)))
    joules = re.search(r"inference: ([\d.]+ .J)", energy)[1]
    assert f"0.675 Wh × 3,600 J/Wh ÷ ({joules} × 1,000) = " in life
    assert f"{joules} × 1,000,000 ÷ 3,600,000 J/kWh × € 0.5 = " in price


def test_a_network_without_images_or_original_is_shown_all_the_same(own):
    from tests.widgets.reports import assessed

    report = assessed(own, bits=4)
    shown = stakeholder.shown(dataclasses.replace(report, original=None), Usage(), Goals())
    wrong, size, *_ = shown["figures"]
    assert wrong["value"] is None and wrong["details"] == ["No test images came with this network."]
    assert size["value"] and size["bars"] == [] and size["change"] == ""


def test_a_battery_that_outlasts_itself_is_said(squeezed):
    (_, _, life, _) = stakeholder.figures(squeezed, Usage(per_day=1))
    assert plain(life["value"]) == "over 10 years" and "ages sooner" in life["details"][-1]
    assert pytest.approx(10 * 365.25 * DAY) == everyday.LONGEST
