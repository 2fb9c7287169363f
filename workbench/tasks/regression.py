"""Regression: one or more numbers an image. An answer is these numbers.

The score is R², the share of the truth's variance over the test images that the answers explain (1 − mean squared error
/ variance), the mean of it over the numbers where there are several: Wright, "Correlation and causation", Journal of
Agricultural Research 20(7), 1921. It is 1 of perfect answers, 0 of the mean as every answer, and below where even that
would be nearer. Beside it stands the mean absolute error, in the truth's own unit.

R² is a mean over images of 1 − squared error / variance, and its interval that of such a mean, with the variance as it
is among the test images: how far the squared error of other images may lie, in units of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.tasks import Answers, Task, Truth, no_answers

if TYPE_CHECKING:
    from torch import Tensor

CATALOGUE = {"ME-23": "numbers: R² (variance explained), mean absolute error"}

_FARTHEST = float(np.finfo(np.float32).max)  # stands for an answer that is no number


class Regression(Task):
    """Outputs and truth float32 [images, numbers], [images] where it is one. A missing answer is NaN."""

    title, score, shares = "Regression", "Variance explained", False
    graded, graded_unit = "Mean absolute error", ""

    @classmethod
    def accepted(cls, truth: Truth) -> Truth:
        if truth.ndim not in (1, 2) or truth.dtype.kind not in "iuf" or not truth.size:
            got = f"of shape {truth.shape}" if truth.ndim not in (1, 2) else str(truth.dtype)
            raise DataError(f"what is to be answered must be numbers, [images] or [images, numbers], and is {got}.")
        columns = (truth[:, None] if truth.ndim == 1 else truth).astype(np.float32)
        same = np.flatnonzero((columns == columns[:1]).all(0))
        if len(columns) > 1 and len(same):
            raise DataError(f"number {same[0]} of what is to be answered is the same for every image.")
        return columns

    @classmethod
    def unanswered(cls, truth: Truth) -> Answers:
        return np.full(truth.shape, np.nan, np.float32)

    @classmethod
    def missing(cls, answers: Answers) -> NDArray[np.bool_]:
        return np.isnan(answers[:, 0])

    @classmethod
    def answers(cls, outputs: Any, images: int) -> Answers:
        """One that is not a number, as damaged weights may give, is as far off as float32 reaches."""
        if getattr(outputs, "ndim", 0) not in (1, 2) or len(outputs) != images:
            raise no_answers("one row of numbers an image", outputs, images)
        rows = outputs.detach().reshape(images, -1).numpy()
        return np.nan_to_num(rows, nan=_FARTHEST, posinf=_FARTHEST, neginf=-_FARTHEST)

    @classmethod
    def check(cls, outputs: tuple[int, ...], truth: Truth, last: str = "") -> None:
        if (outputs[1:] or (1,)) != truth.shape[1:]:
            numbers = truth.shape[1]
            given = f"The network gives outputs of shape {outputs[1:]} an image"
            raise DataError(f"{given}, and {numbers} number{'s' if numbers > 1 else ''} are to be answered.")

    @classmethod
    def right(cls, answers: Answers, truth: Truth) -> NDArray[np.bool_]:
        """Exactly so, which no score of it rests on."""
        return (answers == truth).all(1)

    @classmethod
    def scores(cls, answers: Answers, truth: Truth, among: Truth) -> NDArray[np.float64]:
        """Of a number that does not vary, 1 where it is met and else 0, as scikit-learn's r2_score has it."""
        errors, variance = (answers.astype(np.float64) - truth) ** 2, among.astype(np.float64).var(0)
        unexplained = np.divide(errors, variance, out=(errors > 0).astype(np.float64), where=variance > 0)
        found: NDArray[np.float64] = 1 - unexplained.mean(1)
        return found

    @classmethod
    def grades(cls, answers: Answers, truth: Truth) -> NDArray[np.float64]:
        """Absolute error, the mean over an image's numbers."""
        return np.abs(answers.astype(np.float64) - truth).mean(1)

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        return functional.mse_loss(outputs.reshape(truth.shape), truth)
