"""Classification: which of several classes an image is of. An answer is the number of the class of highest score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.tasks import Answers, Task, Truth, no_answers

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Task):
    """Outputs float32 [images, classes]; truth int64 [images], the labels. A missing answer is −1.

    Scores of which some are NaN have no highest: such an answer is `NO_CLASS`, and never right.
    """

    title, score, labelled = "Classification", "Accuracy", True
    NO_CLASS = np.iinfo(np.int32).max

    @classmethod
    def accepted(cls, truth: Truth) -> Truth:
        if truth.ndim != 1 or truth.dtype.kind not in "iu":
            raise DataError(f"labels must be one list of whole numbers, and these are {_unlike(truth)}.")
        return truth.astype(np.int64)

    @classmethod
    def unanswered(cls, truth: Truth) -> Answers:
        return np.full(len(truth), -1, np.int32)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return answers < 0

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        if getattr(outputs, "ndim", 0) != 2 or len(outputs) != images:
            raise no_answers("one row of class scores an image", outputs, images)
        best, found = outputs.max(1)
        answers: Answers = found.masked_fill(best.isnan(), cls.NO_CLASS).numpy()
        return answers

    @classmethod
    def check(cls, outputs: tuple[int, ...], truth: Truth, last: str = "") -> None:
        if len(outputs) == 2 and outputs[1] == 1:
            wanted = "classification asks for one for each class"
            raise DataError(f"The network gives one score an image, and {wanted}; task='binary' takes one.")
        if len(outputs) == 2 and int(truth.max()) >= outputs[1]:
            first = "; labels count from 0, so each may be one too high" if _from_one(truth, outputs[1]) else ""
            raise DataError(f"Label {int(truth.max())} has no score: the network gives {outputs[1]} of them{first}.")

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        return answers == truth

    @classmethod
    def probabilities(cls, outputs: Tensor) -> NDArray[np.float64]:
        """The softmax of the scores."""
        found: NDArray[np.float64] = outputs.detach().double().softmax(1).numpy()
        return found

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        cls.check(tuple(outputs.shape), truth.numpy())
        return functional.cross_entropy(outputs, truth, label_smoothing=smoothing)

    @classmethod
    def soft_loss(cls, outputs: Tensor, known: Tensor, temperature: float) -> Tensor:
        """The factor T² keeps it in proportion to the labels' loss as T grows (Hinton et al. 2015, section 2.1)."""
        from torch.nn import functional

        divergence = functional.kl_div(
            functional.log_softmax(outputs / temperature, 1),
            functional.log_softmax(known / temperature, 1),
            reduction="batchmean",
            log_target=True,
        )
        return temperature**2 * divergence


def _from_one(labels: Truth, classes: int) -> bool:
    return int(labels.min()) == 1 and int(labels.max()) == classes


def _unlike(labels: Truth) -> str:
    """What they are instead of one whole number an image, and what makes such of them where something does."""
    if labels.dtype.kind in "OSU":
        return "words or objects: np.unique(labels, return_inverse=True)[1] numbers the classes of a list of words"
    if labels.ndim == 2 and len(labels) and np.isin(labels, (0, 1)).all():
        if (labels.sum(1) == 1).all() and labels.shape[1] > 1:
            return "rows with a single 1 (one-hot): labels.argmax(1) gives the numbers"
        return f"of shape {labels.shape}, zeros and ones: task='multi-label' takes several classes an image"
    if labels.ndim != 1:
        return f"of shape {labels.shape}"
    if labels.dtype.kind == "b":
        return "true or false, which task='binary' takes"
    return f"{labels.dtype}: task='regression' takes such, and labels.astype(int) makes them numbers of classes"
