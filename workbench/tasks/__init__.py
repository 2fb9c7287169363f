"""What images ask of a network: how its outputs become answers, when these are right, and what it learns by.

One task a file, found on the shelf by its name; a data set names the one that it asks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError, ModelError
from workbench.shelf import Shelf

if TYPE_CHECKING:
    from torch import Tensor

Answers = NDArray[Any]  # one an image, along the first axis
Truth = NDArray[Any]


class Task(ABC):
    """Subclasses: one a file in `workbench/tasks`.

    title: for people. score: what the mean of `scores` is called; shares: whether that is the share of images that are
    answered rightly. graded: what the mean of `grades` is called, "" where it would say nothing more; graded_unit: its
    unit, "share" within 0..1 and the more the better, "" that of the truth and the less the better. labelled: whether
    the truth is one whole number an image, its label.
    """

    title: ClassVar[str]
    score: ClassVar[str]
    shares: ClassVar[bool] = True
    graded: ClassVar[str] = ""
    graded_unit: ClassVar[str] = "share"
    labelled: ClassVar[bool] = False
    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__module__.rpartition(".")[2].replace("_", "-")

    @classmethod
    def accepted(cls, truth: Truth) -> Truth:
        """What a user says is right, one row an image, as the task takes it; a list of labels comes out as int64.

        Raises DataError, as the rest of a sentence, for what no answer can be compared with.
        """
        return truth

    @classmethod
    @abstractmethod
    def unanswered(cls, truth: Truth) -> Answers:
        """Room for an answer to each row of the truth, none of them given yet."""

    @classmethod
    @abstractmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        """[images]: which answers have not been given yet."""

    @classmethod
    @abstractmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        """What a network says of so many images. Raises ModelError where its outputs are no answers to them."""

    @classmethod  # noqa: B027 (outputs of a task may hold any answer)
    def check(cls, outputs: tuple[int, ...], truth: Truth, last: str = "") -> None:
        """Raises DataError where outputs of that shape, images first, can hold no right answer to some of the truth.

        last: the operator that gives them, as "sigmoid", where it is known.
        """

    @classmethod
    @abstractmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        """[images]: which answers are right."""

    @classmethod
    def scores(cls, answers: Answers, truth: Truth, among: Truth) -> NDArray[np.float64]:
        """[images]: what each adds to the score, at most 1. among: the truth of all images that are judged together."""
        return cls.right(answers, truth).astype(np.float64)

    @classmethod
    def grades(cls, answers: Answers, truth: Truth) -> NDArray[np.float64]:
        """[images]: how right each answer is, or how far from it, in `graded_unit`."""
        return cls.scores(answers, truth, truth)

    @classmethod
    def probabilities(cls, outputs: Tensor) -> NDArray[np.float64] | None:
        """[images, classes]: how sure the outputs of so many images are of each class; None where none is asked for."""
        return None

    @classmethod
    @abstractmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        """What training lowers: a mean over images. smoothing: share of a label that is spread over all labels.

        Raises DataError for what the network has no output for.
        """

    @classmethod
    def soft_loss(cls, outputs: Tensor, known: Tensor, temperature: float) -> Tensor:
        """What learning from another network lowers: T² · KL(σ(z_t / T) ‖ σ(z_s / T)), a mean over images.

        z_s: outputs [images, classes], scores before the softmax σ. z_t: known, the other network's. Raises DataError
        where outputs are no such scores.
        """
        raise DataError(
            f"{cls.title} has no probabilities of classes that another network could teach: set alpha to 0."
        )


def no_answers(wanted: str, outputs: Any, images: int) -> ModelError:
    """That a network was to give something for so many images, and gave these outputs."""
    got = tuple(outputs.shape) if hasattr(outputs, "shape") else type(outputs).__name__
    return ModelError(f"The network must give {wanted}; for {images} images it gave {got}.")


TASKS: Shelf[Task] = Shelf("workbench.tasks", Task)  # type: ignore[type-abstract]
