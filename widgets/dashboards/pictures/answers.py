"""How answers to the test images changed: the images themselves, classes, confusion, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widgets.controls.settings import LARGEST_NUMBER, shown
from widgets.dashboards.picture import Picture
from widgets.views import answers as written
from workbench.accuracy.reference import original
from workbench.engine.looking import Moment
from workbench.errors import DataError, RecipeError
from workbench.insight.behaviour import Behaviour, Flips, behaviour, by_class, confusion_change, flips
from workbench.insight.calibration import confidences, reliability
from workbench.insight.pictures import drawable, pixels

MOST = 24  # images at a time
_VIEWS = ("flips", "classes", "confusion", "calibration")
_GROUPS = ("lost", "gained", "other", "all")


def picture(question: Mapping[str, Any], moment: Moment) -> Picture:
    """question: {"view": one of `_VIEWS`, "group": of images, one of `_GROUPS`, "first": place in it}.

    Buffer: the pixels of the images that are listed, uint8 [images, height, width, channels]. Raises DataError without
    images, and RecipeError for another question.
    """
    _check(question)
    accuracy = moment.report.compressed.accuracy
    model = moment.compressed.model
    if model.data is None:
        raise DataError(f"{model.name} has no test images here, so there are no answers to look at.")
    if accuracy is None:
        raise DataError("Counting was cancelled before an image was answered, so there is nothing to look at yet.")
    found = behaviour(moment.compressed, accuracy.images, moment.cancelled)
    if found is None:
        raise DataError("There is no original whose answers these could be compared with.")
    view = question["view"]
    labels = int(found.images.labels.max()) + 1
    names = written.class_names(found.task, model.data.classes, _classes(found, labels))
    content: dict[str, Any] = {"view": view, "task": found.task.title}
    changed = flips(found)
    if found.task.shares:
        content["groups"] = written.groups(changed, int(found.changed.sum()), found.task)
        content["verdict"] = written.verdict(changed, len(found.after), found.task.score)
    else:
        content |= written.errors(found)
    if view == "flips":
        return _flips(content, question, found, changed, names)
    if view == "classes":
        content["classes"] = written.by_class(by_class(found), names) if found.task.shares and labels > 1 else None
    elif view == "confusion":
        change = confusion_change(found, len(names)) if found.task.labelled else None
        content["confusion"] = None if change is None else written.confusion(change, names)
    else:
        content["calibration"] = _calibration(found, moment) if found.task.labelled else None
    return Picture(content)


def _check(question: Mapping[str, Any]) -> None:
    if set(question) != {"view", "group", "first"}:
        raise RecipeError("A look at answers asks for a view, a group and the first image.")
    if question["view"] not in _VIEWS:
        raise RecipeError(f"Answers are seen as {', '.join(_VIEWS)}, not {shown(question['view'])}.")
    if question["group"] not in _GROUPS:
        raise RecipeError(f"Changed answers are {', '.join(_GROUPS)}, not {shown(question['group'])}.")
    first = question["first"]
    if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first <= LARGEST_NUMBER:
        raise RecipeError(f"The first image must be a whole number, not {shown(first)}.")


def _classes(found: Behaviour, labels: int) -> int:
    """How many there are to be named."""
    if found.task.labelled:
        return labels
    return found.before.shape[1] if found.before.dtype.kind in "iub" else labels


def _flips(
    content: dict[str, Any], question: Mapping[str, Any], found: Behaviour, changed: Flips, names: list[str]
) -> Picture:
    """The page of images that was asked for, from the first one where there are no longer so many."""
    places = _chosen(question["group"], found, changed)
    first = question["first"] // MOST * MOST
    first = first if first < len(places) else 0
    some = places[first : first + MOST]
    chosen, split = found.images.order[some], found.images.split
    drawn = pixels(split, chosen) if drawable(split.images.shape[1:]) and len(some) else None
    content["flips"] = {
        "group": question["group"],
        "first": first,
        "total": len(places),
        "legend": written.BOXES if found.task.name == "locating" else "",
        "shape": [] if drawn is None else list(drawn.shape[1:]),
        "images": [
            {
                "number": int(number),
                **_described(found, place, names),
            }
            for place, number in zip(some.tolist(), chosen.tolist(), strict=True)
        ],
    }
    return Picture(content, () if drawn is None else (drawn.tobytes(),))


def _described(found: Behaviour, place: int, names: list[str]) -> dict[str, Any]:
    """Truth and both answers in words; of boxes how well they fit, and all three as left, top, right, bottom."""
    rows = [rows[place] for rows in (found.images.truth, found.before, found.after)]
    if found.task.name != "locating":
        alike = (row.astype(rows[1].dtype) for row in rows)  # of several labels the truth is kept as floats
        return written.flip(*(written.answer(row, names, found.task.labelled) for row in alike))
    fits = [float(found.task.grades(row[None], rows[0][None])[0]) for row in rows[1:]]
    boxes = [[round(float(side), 3) for side in row] for row in rows]
    label = names[int(found.images.labels[place])]
    return {**written.fit(label, fits[0], fits[1]), "boxes": boxes}


def _chosen(group: str, found: Behaviour, changed: Flips) -> NDArray[np.int64]:
    """Places of the images of a group; of a task without right and wrong, those that moved most first."""
    if not found.task.shares:
        before, after = (found.task.grades(one, found.images.truth) for one in (found.before, found.after))
        growth = after - before if group != "gained" else before - after
        order = np.argsort(-growth, kind="stable")
        return order[growth[order] > 0]
    if group == "all":
        return np.concatenate([changed.lost, changed.gained, changed.other])
    named: dict[str, NDArray[np.int64]] = {"lost": changed.lost, "gained": changed.gained, "other": changed.other}
    return named[group]


def _calibration(found: Behaviour, moment: Moment) -> dict[str, Any]:
    before = original(moment.compressed)
    assert before is not None  # else there were no answers of it
    count = len(found.after)
    sure = [confidences(network, moment.cancelled)[:count] for network in (before, moment.compressed)]
    right = found.right
    made = [reliability(one, hits) for one, hits in zip(sure, right, strict=True)]
    return written.calibration(made[0], made[1], (float(right[0].mean()), float(right[1].mean())))
