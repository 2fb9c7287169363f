"""Verdicts on paired trainings: Student's interval by hand, and what it says of a claim."""

import pytest
from scipy.stats import ttest_rel

from benchmarks.verdicts import difference, less_by_heart, more
from workbench.accuracy.intervals import Interval

ABOVE, AROUND, BELOW = Interval(0.1, 0.2, 0.3), Interval(-0.1, 0.1, 0.3), Interval(-0.3, -0.2, -0.1)


def test_the_interval_is_students_of_the_differences():
    """Of 1, 2, 3, 4, 5: mean 3, deviation √2.5, and t of 4 degrees of freedom is 2.776 at 97.5 %."""
    found = difference([2, 4, 6, 8, 10], [1, 2, 3, 4, 5])
    half = 2.7764451 * (2.5 / 5) ** 0.5
    assert (found.low, found.value, found.high) == pytest.approx((3 - half, 3, 3 + half))
    ours, theirs = [0.91, 0.88, 0.93, 0.90, 0.92], [0.90, 0.89, 0.90, 0.90, 0.89]
    bounds = ttest_rel(ours, theirs).confidence_interval(0.95)
    found = difference(ours, theirs)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))
    with pytest.raises(ValueError, match="1 pairs"):
        difference([1], [2])


def test_a_claim_holds_where_its_interval_is_clear_of_nothing():
    assert [more(found) for found in (ABOVE, AROUND, BELOW)] == ["holds", "undecided", "does not hold"]


def test_a_smaller_gap_alone_is_no_regularisation():
    assert less_by_heart(BELOW, ABOVE) == less_by_heart(BELOW, AROUND) == "holds"
    assert less_by_heart(BELOW, BELOW) == "undecided"  # less was learned
    assert less_by_heart(ABOVE, ABOVE) == "does not hold"
    assert less_by_heart(AROUND, ABOVE) == "undecided"
