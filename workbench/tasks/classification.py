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
    """Outputs float32 [images, classes]; truth int64 [images], the labels. A missing answer is −1."""

    title, score = "Classification", "Accuracy"

    @classmethod
    def unanswered(cls, images: int) -> Answers:
        return np.full(images, -1, np.int16)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return answers < 0

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        if getattr(outputs, "ndim", 0) != 2 or len(outputs) != images:
            got = tuple(outputs.shape) if hasattr(outputs, "shape") else type(outputs).__name__
            wanted = "one row of class scores an image"
            raise ModelError(f"The network must give {wanted}; for {images} images it gave {got}.")
        found: Answers = outputs.argmax(1).numpy()
        return found

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        return answers == truth

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        if int(truth.max()) >= outputs.shape[1]:
            raise DataError(f"Label {int(truth.max())} has no score: the network gives {outputs.shape[1]} of them.")
        return functional.cross_entropy(outputs, truth, label_smoothing=smoothing)
