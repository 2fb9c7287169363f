"""One picture, drawn, dropped or of the test images, as both networks see it and what they say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widgets.controls.settings import shown
from widgets.dashboards.picture import Picture
from widgets.views import answers, numbers
from widgets.views import trial as written
from workbench.accuracy.examiner import task_of
from workbench.data.split import Split
from workbench.engine.looking import Moment
from workbench.errors import BlankError, DataError, RecipeError
from workbench.insight.drawing import entering, fitted
from workbench.insight.pictures import drawable, stretched
from workbench.insight.trial import both
from workbench.network.model import Model
from workbench.tasks import Truth


def picture(question: Mapping[str, Any], moment: Moment) -> Picture:
    """question: {"image": number of a test image} or {"pixels": grey values 0..255, channel after channel}, the other
    None. Buffer: what the networks see, uint8 [channels, height, width].

    Raises BlankError, DataError where there are no pictures to be shown, and RecipeError for another question.
    """
    model = moment.compressed.model
    split = _images(model)
    data, task, shape = model.data, task_of(model), model.input_shape
    assert data is not None  # or there were no images
    asked = _asked(question, split, shape)
    truth: Truth | None = None
    blank = False
    if isinstance(asked, int):
        inputs = split.inputs(np.array([asked])).numpy()
        seen = split.images[asked] if split.images.dtype == np.uint8 else stretched(split.images[[asked]])[0]
        truth, said = split.truth[asked], f"Test image {asked + 1:,} of {len(split):,}"
    else:
        found = fitted(asked, split, data.box)
        inputs, seen, blank = entering(found.pixels, split), found.pixels, found.blank
        said = written.prepared(found, data.box, shape)
    content: dict[str, Any] = {"shape": list(shape), "images": len(split), "blank": blank, "seen": said}
    buffers = (np.ascontiguousarray(seen).tobytes(),)
    if blank:
        return Picture(content, buffers)
    before, after = both(moment.compressed, inputs)
    count = 0 if before.probabilities is None else len(before.probabilities)
    located = task.name == "locating"
    names = answers.class_names(task, data.classes, count)
    content |= {
        "truth": ""
        if truth is None or located
        else answers.answer(truth.astype(before.answer.dtype), names, task.labelled),
        "before": written.located(before, truth, task) if located else written.said(before, names, task.labelled),
        "after": written.located(after, truth, task) if located else written.said(after, names, task.labelled),
        **written.compared(before, after, truth, task),
    }
    if located:
        boxes = [before.answer[0], after.answer[0]]
        content["boxes"] = [
            [round(float(side), 3) for side in box] for box in ([] if truth is None else [truth]) + boxes
        ]
    return Picture(content, buffers)


def _images(model: Model) -> Split:
    """The test images of a network that takes pictures."""
    if model.blank:
        raise BlankError(f"{model.name} is known by its shapes alone: without weights it cannot answer.")
    if model.data is None:
        raise DataError(f"{model.name} has no test images here, so it is not known what pictures it is for.")
    if not drawable(model.input_shape) or model.calling is not None:
        size = numbers.TIMES.join(str(side) for side in model.input_shape)
        raise DataError(f"{model.name} takes inputs of {size} numbers, which are no pictures.")
    return model.data.split("test")


def _asked(question: Mapping[str, Any], split: Split, shape: tuple[int, ...]) -> int | NDArray[np.uint8]:
    """The number of a test image, or pixels, [channels, height, width]."""
    if set(question) != {"image", "pixels"} or (question["image"] is None) == (question["pixels"] is None):
        raise RecipeError("What is tried is either a test image or pixels.")
    image, values = question["image"], question["pixels"]
    if image is not None:
        if not isinstance(image, int) or isinstance(image, bool) or not 0 <= image < len(split):
            raise RecipeError(f"There are {len(split):,} test images, counted from 0, and none is {shown(image)}.")
        return image
    whole = isinstance(values, list) and all(type(value) is int and 0 <= value <= 255 for value in values)
    if not whole or len(values) != math.prod(shape):
        raise RecipeError(f"A picture is {math.prod(shape):,} whole numbers from 0 to 255 here.")
    return np.array(values, np.uint8).reshape(shape)
