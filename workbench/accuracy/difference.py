"""How two networks differ on the same test images, from answers that are known already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.accuracy.examiner import answers_so_far, image_count, selected_images, task_of
from workbench.accuracy.intervals import SIGNIFICANT, discordant, matched, mcnemar, mean_difference
from workbench.network.encoded import EncodedModel


@dataclass(frozen=True)
class Difference:
    """Score of the second network minus that of the first, a share where the score is one.

    low, high: its 95 % interval for images of their kind, None where too few images say nothing of it. gained, lost:
    images that only the second, or only the first, answers rightly. differ: that they answer differently at all, None
    where the task has no answer that is simply right.
    """

    value: float
    low: float | None
    high: float | None
    images: int
    gained: int
    lost: int
    differ: int | None

    @property
    def clear(self) -> bool:
        """Whether the images tell the two apart: by McNemar's exact test at 5 %, of a score by the interval."""
        if self.differ is not None:
            return mcnemar(self.gained, self.lost) < SIGNIFICANT
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def difference(first: EncodedModel, second: EncodedModel, images: int | None = None) -> Difference | None:
    """Of two networks with the same data; None without data, or where an answer of either is not known yet.

    images: how many test images count, as in a report. Raises DataError for more than there are.
    """
    count = image_count(first.model, images)
    if not count:
        return None
    task, judged = task_of(first.model), selected_images(first.model, images)
    one, other = answers_so_far(first)[:count], answers_so_far(second)[:count]
    if task.missing(one).any() or task.missing(other).any():
        return None
    before, after = task.right(one, judged.truth), task.right(other, judged.truth)
    gained, lost = discordant(before, after)
    if not task.shares:
        scores = (task.scores(answers, judged.truth, judged.split.truth) for answers in (one, other))
        found = mean_difference(*scores)
        return Difference(found.value, *found.ends, count, gained, lost, None)
    found = matched(count, gained, lost)
    changed = (one != other).reshape(count, -1).any(axis=1)
    return Difference(found.value, found.low, found.high, count, gained, lost, int(np.count_nonzero(changed)))
