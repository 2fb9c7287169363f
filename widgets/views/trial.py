"""What both networks say of one picture, in finished text and shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from widgets.views import numbers
from widgets.views.answers import answer
from workbench.insight.drawing import Fitted
from workbench.insight.trial import Said
from workbench.tasks import Task, Truth

_BEST = 3


def located(found: Said, truth: Truth | None, task: type[Task]) -> dict[str, Any]:
    """A box: how well it fits where the true one is known, else where it is, in shares of the sides."""
    if truth is not None:
        share = numbers.percent(float(task.grades(found.answer, truth[None])[0]), 0)
        return {"answer": f"{share} overlap", "rows": []}
    left, top, right, bottom = (numbers.percent(float(side), 0) for side in found.answer[0])
    return {"answer": f"{left} to {right} across, {top} to {bottom} down", "rows": []}


def said(found: Said, names: Sequence[str], labelled: bool) -> dict[str, Any]:
    """The answer, and the classes that are most probable, the first one first; no classes where none are asked for."""
    rows: list[dict[str, Any]] = []
    if found.probabilities is not None:
        best = np.argsort(-found.probabilities, kind="stable")[:_BEST]
        rows = [
            {
                "label": names[place] if place < len(names) else str(place),
                "share": round(float(found.probabilities[place]), 4),
                "text": _sure(float(found.probabilities[place])),
            }
            for place in best.tolist()
        ]
    return {"answer": answer(found.answer[0], names, labelled), "rows": rows}


def compared(before: Said, after: Said, truth: Truth | None, task: type[Task]) -> dict[str, Any]:
    """same: whether both answer alike; says: that, and who is right where that is known."""
    same = bool(np.array_equal(before.answer, after.answer))
    if not same and task.name == "locating":
        overlap = numbers.percent(float(task.grades(after.answer, before.answer)[0]), 0)
        text = f"Their boxes share {overlap} of what they cover together."
    else:
        text = "Same answer." if same else "Different answers."
    if truth is not None and task.shares:
        right = [bool(task.right(one.answer, truth[None])[0]) for one in (before, after)]
        text += {
            (True, True): " Both are right.",
            (False, False): " Both are wrong.",
            (True, False): " The original is right.",
            (False, True): " The compressed one is right.",
        }[right[0], right[1]]
    return {"same": same, "says": text}


def prepared(found: Fitted, box: int | None, shape: tuple[int, ...]) -> str:
    """What was done to a picture from outside before the networks saw it."""
    said = []
    if found.inverted:
        said.append("light and dark exchanged")
    if found.boxed:
        said.append(f"brought into a box of {box} {numbers.TIMES} {box}, its centre of mass in the middle")
    size = f"{shape[-2]} {numbers.TIMES} {shape[-1]} {'grey' if shape[0] == 1 else 'colour'} pixels"
    return f"As the networks see it: {size}" + (f"; {', '.join(said)}." if said else ".")


def _sure(share: float) -> str:
    if 0 < share < 0.0005:
        return f"< 0.1{numbers.NBSP}%"
    if 0.9995 < share < 1:
        return f"> 99.9{numbers.NBSP}%"
    return numbers.percent(share, 1)
