"""How answers to the test images changed, in finished text and shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widgets.views import numbers
from widgets.views.axes import marks
from workbench.accuracy import intervals
from workbench.insight.behaviour import Behaviour, ByClass, Flips
from workbench.insight.calibration import Reliability
from workbench.tasks import Answers, Task

BOXES = "Boxes: white the true one, grey the original's, orange now. Figures: overlap with the true one (IoU)."
ARROW = "\u2192"
_LARGEST_MATRIX = 20  # classes of a matrix whose cells can be read
_CHANGES = 6  # largest ones that are listed
_WORDS = {"right": ("right", "wrong"), "found": ("found", "missed")}


def class_names(task: type[Task], known: Sequence[str], count: int) -> list[str]:
    """A name for each of so many classes: of a yes or no that has none, these words; else the numbers."""
    if not known and task.name.startswith("binary"):
        known = ("no", "yes")
    return [known[number] if number < len(known) else str(number) for number in range(max(count, len(known)))]


def answer(given: Answers, names: Sequence[str], labelled: bool) -> str:
    """One answer in words: a class, several of them, or numbers."""
    if labelled:
        return names[int(given)] if 0 <= int(given) < len(names) else "no class"
    if given.dtype.kind in "iub":
        there = [names[place] if place < len(names) else str(place) for place in np.flatnonzero(given == 1).tolist()]
        return ", ".join(there) or "none"
    return ", ".join(f"{float(number):.3g}".replace("-", numbers.MINUS) for number in given.reshape(-1)[:4])


def flip(truth: str, before: str, after: str) -> dict[str, Any]:
    """One image whose answer changed."""
    says = [f"true: {truth}", f"original: {before}", f"now: {after}"]
    return {"truth": truth, "caption": f"{before} {ARROW} {after}", "says": says}


def fit(label: str, before: float, after: float) -> dict[str, Any]:
    """One image whose box changed: how much of what it and the true box cover both of them share."""
    was, now = (numbers.percent(share, 0) for share in (before, after))
    says = [f"of class {label}", f"original: {was} overlap with the true box", f"now: {now}"]
    return {"truth": label, "caption": f"{was.removesuffix(f'{numbers.NBSP}%')} {ARROW} {now}", "says": says}


def groups(flips: Flips, changed: int, task: type[Task]) -> list[dict[str, Any]]:
    """What one may choose among: {"key", "label", "count"}; the worst first, all of them together at the end."""
    yes, no = _WORDS["right" if task.name != "locating" else "found"]
    counts = {"lost": len(flips.lost), "gained": len(flips.gained), "other": len(flips.other)}
    labels = {"lost": f"{yes} {ARROW} {no}", "gained": f"{no} {ARROW} {yes}", "other": f"{no} {ARROW} other {no}"}
    return [
        *({"key": key, "label": labels[key], "count": f"{count:,}"} for key, count in counts.items()),
        {"key": "all", "label": "all that changed", "count": f"{changed:,}"},
    ]


def verdict(flips: Flips, images: int, score: str) -> str:
    """Whether the score changed by more than chance: exact test on the images that one network alone is right on."""
    lost, gained = len(flips.lost), len(flips.gained)
    if not lost + gained:
        return f"{score}: no difference, each of {images:,} images is answered as rightly as before."
    found = intervals.matched(images, gained, lost)
    p = flips.p_value
    chance = f"p {'= ' + format(p, '.2g') if p >= 0.001 else '< 0.001'}, exact McNemar test"
    change = numbers.points(found.value)
    if p >= intervals.SIGNIFICANT:
        return f"{score}: no difference. {change} on {images:,} images could well be chance ({chance})."
    ends = " to ".join(numbers.points(end).removesuffix(f"{numbers.NBSP}points") for end in (found.low, found.high))
    return f"{score}: {change} on {images:,} images, more than chance ({chance}; 95{numbers.NBSP}% interval {ends})."


def by_class(found: ByClass, names: Sequence[str]) -> dict[str, Any]:
    """Of each class that has images: where it was and is on an axis, as shares, and in words."""
    there = np.flatnonzero(found.images)
    before, after = (hits[there] / found.images[there] for hits in (found.before, found.after))
    low = float(np.floor(20 * min(before.min(), after.min())) / 20)
    low = min(low, 0.95)
    place = lambda share: round((share - low) / (1 - low), 4)  # noqa: E731
    rows = [
        {
            "label": names[label] if label < len(names) else str(label),
            "before": place(was),
            "after": place(now),
            "texts": [numbers.percent(was, 1), numbers.percent(now, 1), _points(now - was)],
            "images": f"{found.images[label]:,}",
            "fell": bool(now < was),
        }
        for label, was, now in zip(there.tolist(), before.tolist(), after.tolist(), strict=True)
    ]
    worst = min(rows, key=lambda row: row["after"] - row["before"])
    said = f"{worst['label']!r} lost most: {worst['texts'][0]} {ARROW} {worst['texts'][1]}."
    return {
        "rows": rows,
        "across": [{**mark, "text": f"{mark['text']}{numbers.NBSP}%"} for mark in marks(100 * low, 100.0, 6)],
        "says": [said if worst["fell"] else "No class lost anything."],
        "label": f"Share of right answers by class, before and after, from {100 * low:.0f} to 100 %.",
    }


def confusion(change: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """change: [classes, classes + 1], see `workbench.insight.behaviour.confusion_change`."""
    classes = len(change)
    lost = change[:, classes].any()
    shown = change if lost else change[:, :classes]
    largest = int(np.abs(shown).max(initial=0)) or 1
    answers = [*names[:classes], *(["no class"] if lost else [])]
    off = [(int(shown[row, column]), row, column) for row, column in np.argwhere(shown != 0).tolist() if row != column]
    top = sorted(off, key=lambda one: (-abs(one[0]), one[1:]))[:_CHANGES]
    return {
        "answers": answers,
        "rows": [
            {
                "label": names[row],
                "cells": [
                    {"text": _signed(count), "size": round(abs(count) / largest, 3), "sign": int(np.sign(count))}
                    for count in shown[row].tolist()
                ],
            }
            for row in range(classes)
        ]
        if classes <= _LARGEST_MATRIX
        else [],
        "says": ["How many images more (+) or fewer (\u2212) of each true class (row) get each answer (column)."]
        if off
        else ["Every true class gets each answer as often as before."],
        "table": [["mistaken most", "images"], *([f"{names[row]} for {answers[at]}", _signed(n)] for n, row, at in top)]
        if top
        else [],
        "label": "Change of the confusion matrix: images of each true class by the answer they get, now minus before.",
    }


def calibration(before: Reliability, after: Reliability, right: tuple[float, float]) -> dict[str, Any]:
    """right: share of right answers before and after."""
    errors = [numbers.percent(one.error, 1) for one in (before, after)]
    sure = [float(one.images @ one.confidence) / int(one.images.sum()) for one in (before, after)]
    gap = sure[1] - right[1]
    fit = "surer than it should be" if gap > 0.01 else "less sure than it could be" if gap < -0.01 else "well matched"
    says = [
        f"It is {numbers.percent(sure[1], 1)} sure on average and right in {numbers.percent(right[1], 1)}: {fit}.",
        "On the dashed line a network is as often right as it says. A dot is as large as it has images.",
    ]
    return {
        "before": _dots(before),
        "after": _dots(after),
        "across": [{**mark, "text": f"{mark['text']}{numbers.NBSP}%"} for mark in marks(0.0, 100.0, 5)],
        "says": says,
        "table": [
            ["", "original", "now"],
            ["Calibration error", *errors],
            ["Mean confidence", *(numbers.percent(one, 1) for one in sure)],
            ["Right answers", *(numbers.percent(one, 1) for one in right)],
        ],
        "label": f"Reliability: share of right answers over confidence, in 15 steps. Expected calibration error "
        f"{errors[0]} before, {errors[1]} now.",
    }


def errors(found: Behaviour) -> dict[str, Any]:
    """Of a task without right and wrong: how far answers are off, before and after."""
    before, after = (found.task.grades(one, found.images.truth) for one in (found.before, found.after))
    worse, better = int((after > before).sum()), int((after < before).sum())
    name = found.task.graded or found.task.score
    return {
        "groups": [
            {"key": "lost", "label": "further off", "count": f"{worse:,}"},
            {"key": "gained", "label": "nearer", "count": f"{better:,}"},
        ],
        "verdict": f"{name}: {before.mean():.4g} before, {after.mean():.4g} now, on {len(after):,} images.",
    }


def _points(change: float) -> str:
    text = numbers.points(change)
    return "=" if text == "no change" else text.removesuffix(f"{numbers.NBSP}points")


def _signed(count: int) -> str:
    return f"{'+' if count > 0 else numbers.MINUS}{abs(count):,}" if count else "\u00b7"


def _dots(found: Reliability) -> list[list[float]]:
    """Place across and up, and a radius as a share of the largest, of each interval that has images."""
    whole = int(found.images.sum())
    return [
        [round(float(sure), 4), round(float(hit), 4), round(float(np.sqrt(count / whole)), 4)]
        for sure, hit, count in zip(found.confidence, found.accuracy, found.images.tolist(), strict=True)
        if count
    ]
