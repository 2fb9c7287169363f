"""Multi-label classification: which of several classes an image is of, be it none, one or more.

The score is the share of images of which every label is right ("exact match ratio" or "subset accuracy"); beside it
stands the mean share of an image's labels that are right, which is one minus the Hamming loss: Tsoumakas and Katakis,
"Multi-label classification: an overview", International Journal of Data Warehousing and Mining 3(3), 2007, section 4.
Both are means over images, each of which is one independent draw, and so have the intervals of such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.tasks import Answers, Task, Truth, no_answers
from workbench.tasks._yes_or_no import check_ending, smoothed

if TYPE_CHECKING:
    from torch import Tensor

CATALOGUE = {"ME-23": "several labels: share with all of them right, mean share of them"}


class MultiLabel(Task):
    """Outputs float32 [images, classes]: a class is there where its score is above `threshold`. They are logits, as
    torch's BCEWithLogitsLoss takes them; of networks that end in a sigmoid see `multi_label_probability.py`.

    Truth float32 [images, classes], 1 where a class is there and 0 where not; a user may give bools or whole numbers.
    Answers int8, likewise. A missing one is −1. A score that is NaN answers `NEITHER`, which is never right.
    """

    title, score, graded = "Multi-label classification", "Exact match", "Label accuracy"
    threshold: ClassVar[float] = 0.0
    NEITHER = 2

    @classmethod
    def accepted(cls, truth: Truth) -> Truth:
        if truth.ndim != 2 or not truth.size or truth.dtype.kind not in "biuf" or not np.isin(truth, (0, 1)).all():
            got = f"{truth.dtype} of shape {truth.shape}"
            raise DataError(f"labels must be zeros and ones, [images, classes], and these are {got}.")
        return truth.astype(np.float32)

    @classmethod
    def unanswered(cls, truth: Truth) -> Answers:
        return np.full(truth.shape, -1, np.int8)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return answers[:, 0] < 0

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        if getattr(outputs, "ndim", 0) != 2 or len(outputs) != images:
            raise no_answers("one row of class scores an image", outputs, images)
        answers: Answers = (outputs > cls.threshold).byte().masked_fill(outputs.isnan(), cls.NEITHER).numpy()
        return answers.astype(np.int8)

    @classmethod
    def check(cls, outputs: tuple[int, ...], truth: Truth, last: str = "") -> None:
        if outputs[1:] != truth.shape[1:]:
            given = f"The network gives outputs of shape {outputs[1:]} an image"
            raise DataError(f"{given}, and the labels have {truth.shape[1:]}.")
        check_ending(cls.name, cls.threshold, last)

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        return (answers == truth).all(1)

    @classmethod
    def grades(cls, answers: Answers, truth: Truth) -> NDArray[np.float64]:
        """Share of an image's labels that are right."""
        return (answers == truth).mean(1)

    @classmethod
    def probabilities(cls, outputs: Tensor) -> NDArray[np.float64]:
        """Of each class by itself."""
        found: NDArray[np.float64] = outputs.detach().double().sigmoid().numpy()
        return found

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs, smoothed(truth, smoothing))
