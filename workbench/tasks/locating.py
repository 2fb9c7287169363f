"""Locating: where the one object of an image is. An answer is a box.

A box is (left, top, right, bottom) as shares of the image's width and height. It is right where it and the true box
overlap by half: an intersection over union (IoU) of 0.5 or more, the threshold of Everingham, Van Gool, Williams, Winn,
Zisserman, "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 88, 2010, section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.tasks import Answers, Task, Truth, no_answers

if TYPE_CHECKING:
    from torch import Tensor

CATALOGUE = {"ME-23": "boxes: share with IoU of 0.5 or more, mean IoU"}

ENOUGH = 0.5
_BEND = 0.05  # of an image's side: errors below it count squared


class Locating(Task):
    """Outputs and truth float32 [images, 4]. A missing answer is NaN."""

    title, score, graded = "Locating", "Found", "Mean IoU"

    @classmethod
    def accepted(cls, truth: Truth) -> Truth:
        if truth.ndim != 2 or truth.shape[1] != 4:
            raise DataError(f"boxes must be four numbers an image, [images, 4], and these are of shape {truth.shape}.")
        return truth

    @classmethod
    def unanswered(cls, truth: Truth) -> Answers:
        return np.full((len(truth), 4), np.nan, np.float32)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return np.isnan(answers[:, 0])

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        """A box that is not a number, as damaged weights may give, is an empty one."""
        if tuple(getattr(outputs, "shape", ())) != (images, 4):
            raise no_answers("one box of four numbers an image", outputs, images)
        return np.nan_to_num(outputs.detach().numpy(), nan=0.0, posinf=0.0, neginf=0.0)

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        return cls.grades(answers, truth) >= ENOUGH

    @classmethod
    def grades(cls, answers: Answers, truth: Truth) -> NDArray[np.float64]:
        """IoU of every pair of boxes; of a box whose ends are in the wrong order nothing is left."""
        one, other = answers.astype(np.float64), truth.astype(np.float64)
        both = _area(np.concatenate([np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])], 1))
        union = _area(one) + _area(other) - both
        return np.where(union > 0, both / np.maximum(union, 1e-12), 0.0)

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        return functional.smooth_l1_loss(outputs, truth, beta=_BEND)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
