"""Which of many points are worth choosing between, by two figures: the Pareto front, and where it bends."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[float, float]


def front(points: Sequence[Pair], less: tuple[bool, bool]) -> list[int]:
    """Places in `points` of those that no other dominates, from the best first figure to the worst.

    One point dominates another if it is no worse in both figures and better in at least one; equal points do not
    dominate each other. less: of each figure, whether less of it is better.
    """
    signs = [1.0 if fewer else -1.0 for fewer in less]
    costs = [(signs[0] * first, signs[1] * second) for first, second in points]
    found: list[int] = []
    for place in sorted(range(len(costs)), key=lambda place: costs[place]):
        if not found or costs[place][1] < costs[found[-1]][1] or costs[place] == costs[found[-1]]:
            found.append(place)
    return found


def knee(line: Sequence[Pair]) -> int | None:
    """Place in a front of the point that stands out most from the straight line between its two ends.

    Both figures are scaled to 0..1 between the ends. I. Das 1999, "On characterizing the knee of the Pareto curve based
    on normal-boundary intersection", Structural Optimization 18; the same point has the largest difference in Kneedle
    (Satopaa, Albrecht, Irwin, Raghavan 2011, without smoothing). line: in the order of `front`, each figure on the
    scale on which the bend is looked for. None where no point lies on the better side of that line.
    """
    if len(line) < 3:
        return None
    (left, bottom), (right, top) = line[0], line[-1]
    if left == right or bottom == top:  # all points are one
        return None
    ahead = [(second - bottom) / (top - bottom) - (first - left) / (right - left) for first, second in line]
    best = max(range(len(line)), key=ahead.__getitem__)
    return best if ahead[best] > 1e-9 else None
