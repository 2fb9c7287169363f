"""Binary classification: whether an image is of a class or not. An answer is 1 for yes and 0 for no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.tasks import Answers, Task, Truth, no_answers
from workbench.tasks._yes_or_no import check_ending, smoothed

if TYPE_CHECKING:
    from torch import Tensor


class Binary(Task):
    """Truth int64 [images], 0 or 1; a user may give bools or floats, or [images, 1]. A missing answer is −1.

    Outputs float32 [images] or [images, 1]: one score, which says yes above `threshold`, or [images, 2]: scores of no
    and of yes. The one is a logit, as torch's BCEWithLogitsLoss takes it; of networks that end in a sigmoid see
    `binary_probability.py`. Scores that are NaN answer `NEITHER`, which is never right.
    """

    title, score, labelled = "Binary classification", "Accuracy", True
    threshold: ClassVar[float] = 0.0
    NEITHER = 2

    @classmethod
    def accepted(cls, truth: Truth) -> Truth:
        flat = truth[:, 0] if truth.ndim == 2 and truth.shape[1] == 1 else truth
        if flat.ndim != 1 or flat.dtype.kind not in "biuf" or not np.isin(flat, (0, 1)).all():
            raise DataError("labels must be one list of zeros and ones (or false and true), 1 for yes.")
        return flat.astype(np.int64)

    @classmethod
    def unanswered(cls, truth: Truth) -> Answers:
        return np.full(len(truth), -1, np.int8)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return answers < 0

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        shape = tuple(getattr(outputs, "shape", ()))
        if shape not in ((images,), (images, 1), (images, 2)):
            raise no_answers("one score an image, or two", outputs, images)
        scores = outputs[:, 1] - outputs[:, 0] if shape == (images, 2) else outputs.reshape(images) - cls.threshold
        answers: Answers = (scores > 0).byte().masked_fill(scores.isnan(), cls.NEITHER).numpy().astype(np.int8)
        return answers

    @classmethod
    def check(cls, outputs: tuple[int, ...], truth: Truth, last: str = "") -> None:
        if len(outputs) > 2 or (len(outputs) == 2 and outputs[1] > 2):
            raise DataError(f"The network gives outputs of shape {outputs[1:]} an image; a yes or no is one, or two.")
        check_ending(cls.name, cls.threshold, last)
        if not np.isin(truth, (0, 1)).all():
            raise DataError(f"Label {int(truth.max())} is neither 0 (no) nor 1 (yes).")

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        return answers == truth

    @classmethod
    def probabilities(cls, outputs: Tensor) -> NDArray[np.float64]:
        """Of no and of yes."""
        scores = outputs.detach().double()
        if scores.ndim == 2 and scores.shape[1] == 2:
            scores = scores[:, 1] if cls.threshold else scores[:, 1] - scores[:, 0]
        yes = cls._probability(scores.reshape(len(scores))).numpy()
        return np.stack([1 - yes, yes], 1)

    @classmethod
    def _probability(cls, scores: Tensor) -> Tensor:
        return scores.sigmoid()

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        cls.check(tuple(outputs.shape), truth.numpy())
        if outputs.ndim == 2 and outputs.shape[1] == 2:
            return functional.cross_entropy(outputs, truth, label_smoothing=smoothing)
        return functional.binary_cross_entropy_with_logits(
            outputs.reshape(len(truth)), smoothed(truth.float(), smoothing)
        )
