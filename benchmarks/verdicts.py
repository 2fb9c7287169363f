"""What paired trainings say of a claim: it holds, it does not hold, or that is undecided."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from workbench.accuracy.intervals import Interval

Verdict = Literal["holds", "does not hold", "undecided"]


def difference(ours: ArrayLike, theirs: ArrayLike) -> Interval:
    """Mean of ours − theirs, each [pairs], with Student's 95 % interval. Raises ValueError of one pair."""
    apart = np.subtract(ours, theirs)
    if len(apart) < 2:
        raise ValueError(f"{len(apart)} pairs, of which no spread is known.")
    middle = float(apart.mean())
    half = float(t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / math.sqrt(len(apart)))
    return Interval(middle - half, middle, middle + half)


def more(found: Interval) -> Verdict:
    """Of the claim that a difference is above 0."""
    return "holds" if found.low > 0 else "does not hold" if found.high < 0 else "undecided"


def less_by_heart(gap: Interval, test: Interval) -> Verdict:
    """Of the claim that something regularises, by what it does to the gap of training and test, and to the test score.

    A gap that is smaller because less was learned is none: the mean of the test score may not fall.
    """
    if gap.high < 0 and test.value >= 0:
        return "holds"
    return "does not hold" if gap.low > 0 else "undecided"
