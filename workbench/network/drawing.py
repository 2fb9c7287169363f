"""Where the boxes and lines of a diagram go: rank after rank, and long lines in lanes of their own beside the boxes.

The layered method (Sugiyama, Tagawa, Toda 1981, "Methods for visual understanding of hierarchical system structures",
IEEE Trans. SMC 11(2)): ranks by longest path, and a long edge has a place of its own in every rank that it passes.
These places need not be put in order rank by rank: the longest path is the trunk, in the middle lane, and whatever runs
beside it keeps one lane for its whole length, as wires keep a track of a channel (Hashimoto, Stevens 1971, "Wire
routing by optimizing channel assignment within large apertures"): the shortest first, which so lie inside the others.

*Along* is the way the results go, *across* the way the lanes lie; a page may draw either from left to right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]  # along, across
Edge = tuple[int, int]

BETWEEN_RANKS, BETWEEN_LANES, WIRE = 20.0, 14.0, 6.0  # room between boxes, and a lane that holds lines alone


@dataclass(frozen=True)
class Drawing:
    """centres: of the boxes. routes: by edge, the points on its way, a straight piece first, then curves and straight
    ones in turn. extent: of the whole, which begins at (0, 0). ranks: of the boxes, from 0.
    """

    centres: tuple[Point, ...]
    routes: dict[Edge, tuple[Point, ...]]
    extent: Point
    ranks: tuple[int, ...]


@dataclass
class _Strand:
    """Boxes one after another, with the edges that lead to the first and from the last, or one long edge alone.

    first, last: the ranks in which it takes a place.
    """

    boxes: tuple[int, ...]
    edges: tuple[Edge, ...]
    first: int
    last: int
    lane: int = 0

    def passes(self, rank: int) -> bool:
        """Whether it goes on from that rank to the next."""
        return self.first <= rank < self.last

    def beside(self, other: _Strand) -> bool:
        return self.first <= other.last and other.first <= self.last


def drawing(sizes: Sequence[Point], edges: Iterable[Edge]) -> Drawing:
    """sizes: of the boxes, along and across. edges: from lower places to higher ones, each once.

    Boxes do not overlap, and every edge leads forward.
    """
    edges = tuple(edges)
    if not sizes:
        return Drawing((), {}, (0.0, 0.0), ())
    sources: list[list[int]] = [[] for _ in sizes]
    for source, target in edges:
        sources[target].append(source)
    ranks = _ranks(sources)
    strands = _strands(ranks, sources, edges)
    _give_lanes(strands)
    lane_of = {edge: strand.lane for strand in strands for edge in strand.edges}
    lanes = {box: strand.lane for strand in strands for box in strand.boxes}
    starts, depths = _along(ranks, sizes)
    middles, width = _across(strands, lanes, sizes)
    centres = tuple(
        (starts[rank] + depths[rank] / 2, middles[lanes[box]]) for box, rank in enumerate(ranks)
    )  # fmt: skip
    routes = {}
    for source, target in edges:
        (begin, here), (end, there) = centres[source], centres[target]
        before, after = starts[ranks[source]] + depths[ranks[source]], starts[ranks[target]]
        points = [(begin + sizes[source][0] / 2, here), (before, here)]
        if ranks[target] - ranks[source] > 1:
            way = middles[lane_of[source, target]]
            points += [(starts[ranks[source] + 1], way), (starts[ranks[target] - 1] + depths[ranks[target] - 1], way)]
        routes[source, target] = (*points, (after, there), (end - sizes[target][0] / 2, there))
    return Drawing(centres, routes, (starts[-1] + depths[-1], width), ranks)


def _ranks(sources: list[list[int]]) -> tuple[int, ...]:
    """By longest path from a box without sources."""
    ranks: list[int] = []
    for listed in sources:
        ranks.append(1 + max((ranks[source] for source in listed), default=-1))
    return tuple(ranks)


def _longest(boxes: Sequence[int], sources: list[list[int]], ranks: tuple[int, ...]) -> tuple[int, ...]:
    """The longest path through some boxes, each a rank after the one before."""
    among = set(boxes)
    length: dict[int, int] = {}
    before: dict[int, int] = {}
    for box in boxes:
        near = [source for source in sources[box] if source in among and ranks[source] == ranks[box] - 1]
        best = max(near, key=lambda source: length[source], default=None)
        length[box] = 1 if best is None else 1 + length[best]
        if best is not None:
            before[box] = best
    path = [max(boxes, key=lambda box: length[box])]
    while path[-1] in before:
        path.append(before[path[-1]])
    return tuple(reversed(path))


def _strands(ranks: tuple[int, ...], sources: list[list[int]], edges: tuple[Edge, ...]) -> list[_Strand]:
    """The trunk first; every box in one, and every edge that passes a rank."""
    targets: list[list[int]] = [[] for _ in ranks]
    for source, target in edges:
        targets[source].append(target)
    left = list(range(len(ranks)))
    strands: list[_Strand] = []
    routed: set[Edge] = set()
    while left:
        path = _longest(left, sources, ranks)
        first, last = ranks[path[0]], ranks[path[-1]]
        ways: list[Edge] = []
        if strands:  # the lines that join it to what stands already run in its lane
            entering = max(sources[path[0]], key=lambda box: ranks[box], default=None)
            leaving = min(targets[path[-1]], key=lambda box: ranks[box], default=None)
            if entering is not None and (entering, path[0]) not in routed:
                ways.append((entering, path[0]))
                first = ranks[entering] + 1
            if leaving is not None and (path[-1], leaving) not in routed:
                ways.append((path[-1], leaving))
                last = ranks[leaving] - 1
        routed.update(ways)
        strands.append(_Strand(path, tuple(ways), first, last))
        taken = set(path)
        left = [box for box in left if box not in taken]
    for source, target in edges:
        if (source, target) not in routed and ranks[target] - ranks[source] > 1:
            strands.append(_Strand((), ((source, target),), ranks[source] + 1, ranks[target] - 1))
    return strands


def _give_lanes(strands: list[_Strand]) -> None:
    """Lane 0 to the trunk. Of the nearest free lane on either side, the one whose lines cross fewer others."""
    trunk, *others = strands
    placed = [trunk]
    for strand in sorted(others, key=lambda one: (one.last - one.first, one.first)):
        near = (1, -1) if strand.boxes else (-1, 1)  # lines on one side, boxes on the other, where nothing else decides
        lanes = [_free(strand, placed, side) for side in near]
        strand.lane = min(lanes, key=lambda lane: _crossed(strand, placed, lane))
        placed.append(strand)


def _free(strand: _Strand, placed: list[_Strand], side: int) -> int:
    lane = side
    while any(one.lane == lane and one.beside(strand) for one in placed):
        lane += side
    return lane


def _crossed(strand: _Strand, placed: list[_Strand], lane: int) -> int:
    """How many lines its own cross on their way to and from the middle."""
    inner = [one for one in placed if 0 < one.lane / lane < 1]
    return sum(one.passes(rank) for one in inner for rank in (strand.first - 1, strand.last))


def _along(ranks: tuple[int, ...], sizes: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Where each rank starts, and how deep it is."""
    depths = [0.0] * (max(ranks) + 1)
    for rank, (along, _) in zip(ranks, sizes, strict=True):
        depths[rank] = max(depths[rank], along)
    starts = [0.0]
    for depth in depths[:-1]:
        starts.append(starts[-1] + depth + BETWEEN_RANKS)
    return starts, depths


def _across(strands: list[_Strand], lanes: dict[int, int], sizes: Sequence[Point]) -> tuple[dict[int, float], float]:
    """The middle of each lane, and the width of all."""
    widths = {strand.lane: WIRE for strand in strands}
    for box, lane in lanes.items():
        widths[lane] = max(widths[lane], sizes[box][1])
    middles: dict[int, float] = {}
    edge = 0.0
    for lane in range(min(widths), max(widths) + 1):
        middles[lane] = edge + widths[lane] / 2
        edge += widths[lane] + BETWEEN_LANES
    return middles, edge - BETWEEN_LANES
