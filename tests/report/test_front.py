"""The Pareto front of two figures, and its knee."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.report.front import front, knee

_few = st.integers(-3, 3).map(float)  # so that many are equal


@given(st.lists(st.tuples(_few, _few), max_size=30), st.tuples(st.booleans(), st.booleans()))
def test_the_front_is_what_no_other_point_dominates(points, less):
    def worse(one, other, axis):
        return one[axis] > other[axis] if less[axis] else one[axis] < other[axis]

    def dominates(one, other):
        no_worse = not worse(one, other, 0) and not worse(one, other, 1)
        return no_worse and (worse(other, one, 0) or worse(other, one, 1))

    kept = [place for place, one in enumerate(points) if not any(dominates(other, one) for other in points)]
    found = front(points, less)
    assert sorted(found) == kept
    assert all(not worse(points[one], points[other], 0) for one, other in pairwise(found))


def test_the_knee_of_a_quarter_circle_lies_in_its_middle():
    angles = [math.pi / 2 * step / 20 for step in range(21)]
    circle = [(1 - math.cos(angle), math.sin(angle)) for angle in angles]
    assert front(circle, (True, False)) == list(range(21))
    assert knee(circle) == 10


def test_the_knee_is_that_of_the_published_example():
    # Satopaa et al. 2011, figure 2: y = -1 / (x + 0.1) + 5 for ten values of x from 0 to 1, whose knee is at 0.22.
    curve = [(step / 9, -1 / (step / 9 + 0.1) + 5) for step in range(10)]
    assert curve[knee(curve)][0] == pytest.approx(0.22, abs=0.005)


@pytest.mark.parametrize("scale", [(1.0, 1.0), (1e6, -1e-6)])
def test_the_knee_does_not_depend_on_units_or_on_which_way_is_better(scale):
    line = [(0.0, 0.0), (1.0, 5.0), (2.0, 7.0), (9.0, 8.0)]
    assert knee([(scale[0] * first, scale[1] * second) for first, second in line]) == 2


@pytest.mark.parametrize(
    "line",
    [[], [(0, 0)], [(0, 0), (1, 1)], [(0, 0), (1, 1), (2, 2)], [(0, 0), (3, 1), (4, 4)], [(1, 1)] * 3],
)
def test_without_a_bend_to_the_better_side_there_is_no_knee(line):
    assert knee(line) is None
