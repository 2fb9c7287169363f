"""How a network's answers to the test images changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.accuracy.examiner import Examiner, task_of
from workbench.accuracy.intervals import mcnemar
from workbench.accuracy.order import Selection
from workbench.network.encoded import EncodedModel
from workbench.tasks import Answers, Task

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Answers of the original and of the compressed network to the same images, in the order in which they are run."""

    task: type[Task]
    images: Selection
    before: Answers
    after: Answers

    @property
    def right(self) -> tuple[Flags, Flags]:
        """[images], before and after: whether the answer is right."""
        return self.task.right(self.before, self.images.truth), self.task.right(self.after, self.images.truth)

    @property
    def changed(self) -> Flags:
        """[images]: whether both networks answer differently."""
        return np.any(np.reshape(self.before != self.after, (len(self.before), -1)), axis=1)


@dataclass(frozen=True, eq=False)
class Flips:
    """Places of the images whose answer changed: lost (right, then wrong), gained, and other (wrong, then otherwise
    wrong)."""

    lost: Numbers
    gained: Numbers
    other: Numbers

    @property
    def p_value(self) -> float:
        """Of the hypothesis that either network is right as often as the other."""
        return mcnemar(len(self.gained), len(self.lost))


@dataclass(frozen=True, eq=False)
class ByClass:
    """Of each class, [classes]: its images, and how many of these are answered rightly before and after."""

    images: Numbers
    before: Numbers
    after: Numbers


def behaviour(
    compressed: EncodedModel, images: int | None = None, cancelled: Callable[[], bool] = lambda: False
) -> Behaviour | None:
    """What both networks answer to the test images; those answered already are not run again.

    images: how many, all by default. None without data, or without an original. Raises DataError, and Stopped where
    `cancelled` says so.
    """
    standing = None
    for latest in Examiner(budget=0).accuracies(compressed, images, cancelled):
        standing = latest
    if standing is None or standing.original_answers is None:
        return None
    return Behaviour(task_of(compressed.model), standing.judged, standing.original_answers.copy(), standing.answers)


def flips(found: Behaviour) -> Flips:
    """The images whose answer changed, in the order in which they are run."""
    before, after = found.right
    wrong = ~before & ~after & found.changed
    return Flips(*(np.flatnonzero(which) for which in (before & ~after, ~before & after, wrong)))


def by_class(found: Behaviour) -> ByClass:
    """Right answers of each class up to the largest label of the images."""
    labels, (before, after) = found.images.labels, found.right
    classes = int(labels.max()) + 1
    return ByClass(*(np.bincount(some, minlength=classes) for some in (labels, labels[before], labels[after])))


def confusion(found: Behaviour, answers: Answers, classes: int) -> Numbers:
    """[classes, classes + 1]: how many images of each class (row) were given each answer (column).

    The last column counts answers that are no class. Of tasks whose truth is a label.
    """
    given = np.where((answers >= 0) & (answers < classes), answers, classes).astype(np.int64)
    cells = np.bincount(found.images.truth * (classes + 1) + given, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1)


def confusion_change(found: Behaviour, classes: int) -> Numbers:
    """How many images more are given each answer after than before, see `confusion`; each row sums to zero."""
    return confusion(found, found.after, classes) - confusion(found, found.before, classes)
