"""Classification: which of several classes an image is of. An answer is the number of the class of highest score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError, ModelError
from workbench.tasks import Answers, Task, Truth

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Task):
    """Outputs float32 [images, classes]; truth int64 [images], the labels. A missing answer is −1.

    Scores of which some are NaN have no highest: such an answer is `NO_CLASS`, and never right.
    """

    title, score = "Classification", "Accuracy"
    NO_CLASS = np.iinfo(np.int32).max

    @classmethod
    def unanswered(cls, images: int) -> Answers:
        return np.full(images, -1, np.int32)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return answers < 0

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        if getattr(outputs, "ndim", 0) != 2 or len(outputs) != images:
            got = tuple(outputs.shape) if hasattr(outputs, "shape") else type(outputs).__name__
            wanted = "one row of class scores an image"
            raise ModelError(f"The network must give {wanted}; for {images} images it gave {got}.")
        best, found = outputs.max(1)
        answers: Answers = found.masked_fill(best.isnan(), cls.NO_CLASS).numpy()
        return answers

    @classmethod
    def check(cls, outputs: tuple[int, ...], truth: Truth) -> None:
        if len(outputs) == 2 and outputs[1] == 1:
            raise DataError("The network gives one score an image, and classification asks for one for each class.")
        if len(outputs) == 2 and int(truth.max()) >= outputs[1]:
            raise DataError(f"Label {int(truth.max())} has no score: the network gives {outputs[1]} of them.")

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        return answers == truth

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        cls.check(tuple(outputs.shape), truth.numpy())
        return functional.cross_entropy(outputs, truth, label_smoothing=smoothing)
