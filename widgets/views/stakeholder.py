"""One compressed network for people who decide: four plain figures, each beside the original's, and their goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from widgets.views import everyday, numbers
from widgets.views.everyday import in_a_thousand, money, money_range, span, span_range
from widgets.views.numbers import NBSP
from widgets.views.recipe import describe
from workbench.deployment.consequences import BATTERY_LIFE, LEFT_OUT, battery_life, price_of_a_million
from workbench.deployment.usage import BATTERIES, PER_DAY_SOURCE, PRICE_SOURCE, Usage
from workbench.devices.device import Device
from workbench.errors import WorkbenchError
from workbench.report.figures import Accuracy, Figure, Metric
from workbench.report.report import Report

Met = Literal["meets", "misses", "open"]
_GOALS = {
    "wrong": ("Wrong answers", "in 1,000 at most", 0.0, 1000.0),
    "size": ("File size", "kB at most", 0.1, 1e9),
    "life": ("Battery life", "days at least", 0.0, 1e5),
}
_DAY = 86_400.0
CHOSEN = (
    "Found by trying out many settings on validation images. The figures are counted on test images, which nobody "
    "chose by, so they may differ a little from what was promised."
)


@dataclass(frozen=True)
class Goals:
    """The guard rails. wrong: wrong answers in 1,000, at most. size: kB (1,000 bytes), at most. life: days, at least.

    None is no goal. Raises WorkbenchError naming the goal that is no number or out of its range.
    """

    wrong: float | None = 15.0
    size: float | None = 100.0
    life: float | None = 30.0

    def __post_init__(self) -> None:
        for goal, (title, unit, low, high) in _GOALS.items():
            value: Any = getattr(self, goal)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
            if value is not None and not number:
                raise WorkbenchError(f"The goal {title!r} must be a number from {low:,g} to {high:,g} ({unit}).")

    @classmethod
    def described(cls) -> list[dict[str, Any]]:
        """What a page needs to ask for them."""
        return [
            {"key": goal, "label": title, "unit": unit, "low": low, "high": high}
            for goal, (title, unit, low, high) in _GOALS.items()
        ]


def shown(report: Report, usage: Usage, goals: Goals) -> dict[str, Any]:
    """All that is said of one report: {"recipe", "kind", "figures", "verdict", "spoken"}, finished text and shares.

    Figures as in `figures`; verdict {"met", "summary", "rows": [{"key", "met", "text"}]}.
    """
    drawn, kept = figures(report, usage), _goals(report, usage, goals)
    said = ", ".join(f"{one['label'].lower()} {one['value']}" for one in drawn if one["value"])
    return {
        "recipe": describe(report.recipe),
        "kind": report.kind,
        "figures": drawn,
        "verdict": kept,
        "spoken": f"{said}. {kept['summary']}",
    }


def nothing() -> dict[str, Any]:
    """The same before anything is known."""
    return {
        "recipe": "",
        "kind": "",
        "figures": [],
        "verdict": {"met": "open", "summary": "", "rows": []},
        "spoken": "",
    }


def figures(report: Report, usage: Usage) -> list[dict[str, Any]]:
    """One dict a figure: key, label, value (None while it is not known), change, tone ("better", "worse" or "same"),
    details (lines), badge, original {value, badge}, bars [original, compressed] (shares 0..1 of the larger).
    """
    energy, size = report.compressed.costs["energy"], report.compressed.costs["size"]
    before = report.original.costs["energy"] if report.original else None
    whole = report.original.costs["size"] if report.original else None
    return [
        _wrong(report),
        _compared("size", "File size", size, whole, numbers.bytes_, [numbers.exact_bytes(int(size.value))]),
        _ranged("life", battery_life(energy, usage), before and battery_life(before, usage), span, span_range),
        _ranged(
            "price", price_of_a_million(energy, usage), before and price_of_a_million(before, usage), money, money_range
        ),
    ]


def usage_said(report: Report, usage: Usage) -> list[str]:
    """The two formulas with their numbers, where these are from, and what is left out."""
    energy = report.compressed.costs["energy"]
    life, price = battery_life(energy, usage), price_of_a_million(energy, usage)
    joules = numbers.joules(energy.value)
    times = f"{NBSP}{numbers.TIMES} "
    spread = ""
    if energy.low is not None and energy.high is not None:
        spread = f", in a range of {numbers.joule_range(energy.low, energy.high)}, which gives the ranges above"
    return [
        f"Energy of one inference: {joules}, modelled for {Device.load(report.device).title}{spread}.",
        f"Battery life = battery ÷ (energy{times}inferences a day) = {numbers.significant(usage.watt_hours)}{NBSP}Wh"
        f"{times}3,600{NBSP}J/Wh ÷ ({joules}{times}{usage.per_day:,.0f}) = {span(life.value)}.",
        f"Electricity = energy{times}1,000,000 ÷ 3,600,000{NBSP}J/kWh{times}price = {joules}{times}1,000,000 ÷ "
        f"3,600,000{NBSP}J/kWh{times}€{NBSP}{usage.price:g} = {money(price.value)}.",
        LEFT_OUT,
        report.compressed.costs["energy"].note,
    ]


def sources(usage: Usage) -> dict[str, str]:
    """Field of the usage -> where the number is from, "" for one that is nobody's default."""
    battery = next((one for one in BATTERIES.values() if one.watt_hours == usage.watt_hours), None)
    plain = Usage()
    return {
        "watt_hours": "Entered here." if battery is None else battery.source,
        "per_day": PER_DAY_SOURCE if usage.per_day == plain.per_day else "Entered here.",
        "price": PRICE_SOURCE if usage.price == plain.price else "Entered here.",
    }


def _figure(key: str, label: str, **facts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "value": None,
        "change": "",
        "tone": "same",
        "details": [],
        "original": None,
        "bars": [],
        "badge": "",
    }
    return {"key": key, "label": label, **empty, **facts}


def _wrong(report: Report) -> dict[str, Any]:
    """Wrong answers in 1,000; of a task whose score is no share of right answers, the score as it is."""
    now, was = report.compressed.accuracy, report.original.accuracy if report.original else None
    if now is None:
        untested = [] if report.data else ["No test images came with this network."]
        return _figure("wrong", "Wrong answers", badge="simulated", details=untested)
    was = was if was is not None and was.exact else None
    if not now.share:
        text = numbers.percent(now.value)
        original = was and {"value": numbers.percent(was.value), "badge": was.badge}
        return _figure("wrong", now.title, value=text, badge=now.badge, details=_tested(now), original=original)
    change, tone = _more_wrong(now, was)
    most = max(1 - now.value, 1 - was.value if was else 0.0) or 1.0
    return _figure(
        "wrong",
        "Wrong answers",
        value=in_a_thousand(1 - now.value),
        change=change,
        tone=tone,
        details=_tested(now),
        badge=now.badge,
        original=was and {"value": in_a_thousand(1 - was.value), "badge": was.badge},
        bars=[(1 - was.value) / most, (1 - now.value) / most] if was else [],
    )


def _tested(now: Accuracy) -> list[str]:
    said = f"{now.images:,} test images" + ("" if now.exact else " so far")
    if now.low is None or now.high is None or not now.share:
        return [said]
    low, high = 1000 * (1 - now.high), 1000 * (1 - now.low)
    return [f"95{NBSP}% interval {low:.1f} to {high:.1f}", said]


def _more_wrong(now: Accuracy, was: Accuracy | None) -> tuple[str, str]:
    """How many more or fewer, where that is more than chance may do (the paired test on the same images)."""
    if was is None or now.paired is None:
        return "", "same"
    if not now.paired.clear:
        return "no clear difference", "same"
    change = 1000 * (was.value - now.value)
    return f"{abs(change):.1f} {'more' if change > 0 else 'fewer'}", "worse" if change > 0 else "better"


def _compared(
    key: str, label: str, now: Figure, was: Figure | None, text: Callable[[Any], str], details: list[str]
) -> dict[str, Any]:
    original = was and {"value": text(was.value), "badge": was.badge}
    change, tone = _change(now, was)
    most = max(now.value, was.value if was else 0.0) or 1.0
    bars = [was.value / most, now.value / most] if was and most < float("inf") else []
    return _figure(
        key, label, value=text(now.value), change=change, tone=tone, details=details, badge=now.badge,
        original=original, bars=bars,
    )  # fmt: skip


def _ranged(
    key: str, now: Figure, was: Figure | None, text: Callable[[float], str], between: Callable[[float, float], str]
) -> dict[str, Any]:
    details = [] if now.low is None or now.high is None else [f"range {between(now.low, now.high)}"]
    if now.metric is BATTERY_LIFE and now.value >= everyday.LONGEST:
        details.append("the battery itself ages sooner")
    return _compared(key, now.metric.title, now, was, text, details)


def _change(now: Figure, was: Figure | None) -> tuple[str, str]:
    if was is None:
        return "", "same"
    metric: Metric = now.metric
    change = numbers.times(was.value, now.value, *metric.words)
    if change in ("", "no change"):
        return change, "same"
    return change, "better" if (now.value < was.value) == metric.less_is_better else "worse"


def _goals(report: Report, usage: Usage, goals: Goals) -> dict[str, Any]:
    rows = [
        row for row in (_wrong_goal(report, goals), _size_goal(report, goals), _life_goal(report, usage, goals)) if row
    ]
    count = {met: sum(row["met"] == met for row in rows) for met in ("meets", "misses", "open")}
    if not rows:
        return {"met": "meets", "summary": "No goals are set.", "rows": rows}
    if count["misses"]:
        met, summary = "misses", f"Misses {count['misses']} of {len(rows)} goals."
    elif count["open"]:
        met, summary = "open", f"Meets {count['meets']} of {len(rows)} goals; {count['open']} cannot be told for sure."
    else:
        met, summary = "meets", f"Meets {('your', 'both', 'all 3')[len(rows) - 1]} goal{'s' if len(rows) > 1 else ''}."
    return {"met": met, "summary": summary, "rows": rows}


def _row(key: str, met: Met, text: str) -> dict[str, Any]:
    return {"key": key, "met": met, "text": text}


def _wrong_goal(report: Report, goals: Goals) -> dict[str, Any] | None:
    now = report.compressed.accuracy
    if goals.wrong is None or report.data is None or (now is not None and not now.share):
        return None
    if now is None:
        return _row("wrong", "open", "Wrong answers are being counted.")
    wrong = 1000 * (1 - now.value)
    if wrong > goals.wrong:
        return _row("wrong", "misses", f"Wrong answers: misses by {wrong - goals.wrong:.1f} in{NBSP}1,000.")
    spare = f"{goals.wrong - wrong:.1f} in{NBSP}1,000"
    if now.low is None or 1000 * (1 - now.low) > goals.wrong:
        said = f"Wrong answers: meets it on these images, by {spare}; others may tell otherwise."
        return _row("wrong", "open", said)
    return _row("wrong", "meets", f"Wrong answers: meets it, with {spare} to spare.")


def _size_goal(report: Report, goals: Goals) -> dict[str, Any] | None:
    if goals.size is None:
        return None
    spare = round(1000 * goals.size) - int(report.compressed.costs["size"].value)
    if spare < 0:
        return _row("size", "misses", f"File size: misses by {numbers.bytes_(-spare)}.")
    return _row("size", "meets", f"File size: meets it, with {numbers.bytes_(spare)} to spare.")


def _life_goal(report: Report, usage: Usage, goals: Goals) -> dict[str, Any] | None:
    if goals.life is None:
        return None
    life, goal = battery_life(report.compressed.costs["energy"], usage), goals.life * _DAY
    low = life.value if life.low is None else life.low
    high = life.value if life.high is None else life.high
    if high < goal:
        return _row("life", "misses", f"Battery life: misses it even at best, by {span(goal - high)}.")
    if low < goal:
        return _row("life", "open", f"Battery life: depends on the device, {span_range(low, high)}.")
    return _row("life", "meets", f"Battery life: meets it over the whole range, from {span(low)} on.")


def choice(title: str, rule: str, report: Report | None, usage: Usage, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A card of one named choice: {"title", "rule", "recipe", "lines"}; no lines while it has not been measured."""
    lines: list[str] = []
    if report is not None:
        wrong, size, life, price = figures(report, usage)
        counted = str(wrong["value"]).replace(" in", " wrong in")
        lines = [counted if wrong["bars"] else f"{wrong['label']} {wrong['value']}"]
        lines += [f"{size['value']}, {size['change']}", f"{life['value']} of battery", f"{price['value']} a million"]
    return {"title": title, "rule": rule, "recipe": describe(recipe), "lines": lines}
