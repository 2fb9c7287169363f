"""One tensor of a layer's weights: its values, its zeros, its levels. What costs need is counted without the values."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.sparse import zero_runs
from workbench.kernels.statistics import fake_quantize, magnitudes
from workbench.kernels.statistics.deviations import deviations
from workbench.kernels.threads.shares import limit, split
from workbench.weights.arrays import Codes, Floats
from workbench.weights.grouping import Grouping
from workbench.weights.levels import DeadZones, Levels

_WORTH_A_THREAD = 2**19  # weights, which take one thread about a third of a millisecond to count


@dataclass(frozen=True)
class Cut:
    """Weights that become zero: all whose magnitude is `threshold` at most.

    ties: how many of those just at the threshold, the first ones in storage order; None for all of them.
    """

    threshold: float
    ties: int | None = None


class Part:
    """One tensor of a form: float32 values, exact zeros written +0.0, and the levels they lie on, if any.

    Where a value is not zero it equals `levels.decode(codes)` bit for bit. A zero may lie off the grid; what its code
    then says is meaningless.

    A part is what became of its `source`: `cut`, then rounded to levels. Its zeros are counted, and the range of its
    values is known, without making these values; they are made when they are asked for, and kept only as long as
    somebody holds them.

    known: whether the values are; of a blank network, only counts are (`workbench.weights.blank`).
    """

    known: ClassVar[bool] = True
    _counts: tuple[int, tuple[int, ...]] | None = None  # what `_zeros` says, once it was counted

    def __init__(self, source: Floats, levels: Levels | None = None, codes: Codes | None = None) -> None:
        """source: the values themselves, float32 in C order."""
        self.source = source
        self.levels = levels
        self.cut: Cut | None = None
        self._codes = codes
        self._grid: Levels | None = None  # that the source is rounded to
        self._whole: Part | None = None  # what it was cut from
        self._ranges: dict[Grouping, tuple[Floats, Floats]] = {}
        self._made: Callable[[], Floats | None] = lambda: None

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Part:
        """A part with full-precision values."""
        return cls(np.ascontiguousarray(values, np.float32) + np.float32(0))  # -0.0 + 0.0 is +0.0

    @classmethod
    def on_levels(cls, levels: Levels, codes: Codes, zero: NDArray[np.bool_]) -> Part:
        """A part on `levels`; exactly zero where `zero` says so."""
        values = np.require(levels.decode(codes), np.float32, ("C", "W", "OWNDATA"))
        values[zero] = 0
        values += np.float32(0)  # -0.0 + 0.0 is +0.0
        return cls(values, levels, np.ascontiguousarray(codes, levels.code_type))

    def without(self, cut: Cut) -> Part:
        """The same without the weights that are cut; its levels stay."""
        plain = self.cut is None and self._grid is None
        part = Part(self.source if plain else self.values, self.levels, self.codes)
        part.cut = cut
        part._whole = self if plain else Part(part.source)
        return part

    def kept(self, stays: NDArray[np.bool_]) -> Part:
        """The same with zeros wherever `stays` is false; its levels stay. stays: of the part's shape."""
        values = np.where(stays, self.values, np.float32(0)) + np.float32(0)
        return Part(values, self.levels, self.codes)

    def keeps_zeros_of(self, earlier: Part) -> bool:
        """Whether it is certain, without counting them, that what was zero in `earlier` is zero here."""
        same = self.source is earlier.source and earlier._grid is None
        return self is earlier or (same and (earlier.cut is None or earlier.cut is self.cut))

    def rounded(self, levels: Levels) -> Part:
        """Every weight at the nearest of `levels`, whose centroids ascend; zeros stay."""
        source = self if self._grid is None else Part(self.values)
        part = Part(source.source, levels)
        part.cut, part._whole, part._grid = source.cut, source._whole, levels
        return part

    @cached_property
    def dissolved(self) -> Part:
        """The same values without levels."""
        part = Part(self.source)
        part.cut, part._whole, part._grid, part._made = self.cut, self._whole, self._grid, self._made
        part._counts = self._zeros
        return part

    @property
    def made(self) -> Part:
        """The same with its values and codes, for whoever reads them more than once."""
        if self.cut is None and self._grid is None:
            return self
        made = self._made()
        if made is None and self._grid is not None:
            codes: Codes = np.empty(self._grid.code_shape(self.shape), self._grid.code_type)
            part = Part(self._rounded(codes), self._grid, codes)  # both at once
        else:
            part = Part(self.values, self.levels, self.codes)
        part._counts = self._zeros
        return part

    @property
    def values(self) -> Floats:
        if self.cut is None and self._grid is None:
            return self.source
        made = self._made()
        if made is None:
            made = self._rounded(None) if self._grid is not None else self._pruned()
            self._made = weakref.ref(made)
        return made

    @property
    def codes(self) -> Codes | None:
        if self._codes is not None or self.levels is None:
            return self._codes
        codes: Codes = np.empty(self.levels.code_shape(self.shape), self.levels.code_type)
        self._rounded(codes)
        return codes

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def size(self) -> int:
        """Number of weights, zeros included."""
        return self.source.size

    @property
    def bits(self) -> int:
        """Width of one stored weight: of its code, or 32 where there is none."""
        return 32 if self.levels is None else self.levels.bits

    def listed_within(self, nbytes: float) -> int:
        """How many weights a list of fewer than `nbytes` bytes holds at most, each as narrow as it is ever stored."""
        coded = self.levels is not None and self.levels.code_per_weight
        width = self.levels.stored_bits if self.levels is not None and coded else 32
        if width == 0 or nbytes > 4 * self.size:
            return self.size
        return min(8 * (int(nbytes) - 1) // width, self.size)

    @property
    def nonzeros(self) -> int:
        return self._zeros[0]

    @property
    def fillers(self) -> tuple[int, ...]:
        """Entries that bridge runs of zeros in a relative index, for each width in `kernels.gaps.WIDTHS`."""
        return self._zeros[1]

    @cached_property
    def alive(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which output and which input channels [out], [in / groups] hold a weight that is not zero.

        Told by the largest weights without making the values, where these tell it.
        """
        if self.nonzeros == self.size:
            return np.ones(self.shape[0], bool), np.ones(self.shape[1], bool)
        rows, columns = self._surely_alive
        exact = self._grid is None and (self.cut is None or self.cut.ties is None)
        if exact or (rows.all() and columns.all()):
            return rows, columns
        filled = self.values.reshape(self.shape[0], self.shape[1], math.prod(self.shape[2:])) != 0
        return filled.any((1, 2)), filled.any((0, 2))

    @property
    def certain(self) -> tuple[Floats, float]:
        """Weights, and a magnitude: those beyond it are certain to be left. Exact where that is all that is known;
        the values are made only where they must be made to count their zeros, too."""
        magnitude = self._certain
        return (self.source, float(magnitude)) if np.isfinite(magnitude) else (self.values, 0.0)

    @property
    def surely_alive_size(self) -> int:
        """As `alive_size`, of the channels of which one weight is certain to be left, without making the values."""
        rows, columns = self._surely_alive
        return int(rows.sum()) * int(columns.sum()) * math.prod(self.shape[2:])

    @cached_property
    def _surely_alive(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        rows, columns = (self._whole or self)._reach
        return rows > self._certain, columns > self._certain

    @cached_property
    def _certain(self) -> np.float32:
        """A magnitude beyond which no weight of the source is cut or rounded to zero."""
        threshold = 0.0 if self.cut is None else self.cut.threshold
        if self._grid is None:
            return np.float32(threshold)
        if self._zones is None:
            return np.float32(np.inf)
        low, high, _ = self._zones
        return np.float32(max(threshold, -float(low.min(initial=0)), float(high.max(initial=0))))

    @cached_property
    def _zones(self) -> DeadZones | None:
        """Those of the grid."""
        return None if self._grid is None else self._grid.dead_zones(self.shape)

    @cached_property
    def alive_size(self) -> int:
        """How many weights there are where the channels that are left cross."""
        rows, columns = self.alive
        return int(rows.sum()) * int(columns.sum()) * math.prod(self.shape[2:])

    @cached_property
    def _reach(self) -> tuple[Floats, Floats]:
        """Largest magnitude of the source in each output and each input channel."""
        size = np.abs(self.source).reshape(self.shape[0], self.shape[1], math.prod(self.shape[2:]))
        return size.max((1, 2), initial=0), size.max((0, 2), initial=0)

    @property
    def nbytes(self) -> int:
        """Bytes of what this part alone holds; another one's source is not counted."""
        own = 0 if self.cut is not None or self._grid is not None else self.source.nbytes
        levels = 0 if self.levels is None else self.levels.nbytes
        codes = 0 if self._codes is None else self._codes.nbytes
        return own + levels + codes + sum([side.nbytes for pair in self._ranges.values() for side in pair])

    def ranges(self, grouping: Grouping) -> tuple[Floats, Floats]:
        """Smallest and largest value of every group, zero among them, each float32 [groups]."""
        if grouping not in self._ranges:
            if self.cut is not None and self._whole is not None and self._grid is None:
                low, high = self._whole.ranges(grouping)
                self._ranges[grouping] = _surviving(self.source, grouping, low, high, self.cut)
            else:
                self._ranges[grouping] = fake_quantize.ranges(_rows(self.values), grouping.run(self.shape))
        return self._ranges[grouping]

    def deviations(self, grouping: Grouping, centred: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (0 if `centred`) and mean distance from it of every group's non-zero values, each float64 [groups]."""
        run = grouping.run(self.shape)
        if self._grid is not None or self.cut is None:
            return deviations(_rows(self.values), run, centred=centred)
        return deviations(_rows(self.source), run, self.cut.threshold, _boundary(self.source, self.cut), centred)

    @property
    def _zeros(self) -> tuple[int, tuple[int, ...]]:
        """No cached property, whose lock all parts share before Python 3.12: several are counted at once."""
        if self._counts is None:
            self._counts = self._counted()
        return self._counts

    def _counted(self) -> tuple[int, tuple[int, ...]]:
        threshold, boundary = 0.0, None
        if self.cut is not None:
            threshold, boundary = self.cut.threshold, _boundary(self.source, self.cut)
        if self._zones is None:  # of the values themselves
            values = self.source
            if self._grid is not None:  # cut before it was rounded: what is small now is no zero
                values, threshold, boundary = self.values, 0.0, None
            nothing = np.zeros(1, np.float32)
            nonzeros, fillers = zero_runs.count(_rows(values), nothing, nothing, None, threshold, boundary)
        else:
            nonzeros, fillers = zero_runs.count(_rows(self.source), *self._zones, threshold, boundary)
        return nonzeros, tuple(fillers.tolist())

    def _pruned(self) -> Floats:
        assert self.cut is not None
        return magnitudes.prune(self.source, self.cut.threshold, self.cut.ties)

    def _rounded(self, codes: Codes | None) -> Floats:
        """The values; `codes` is filled if given."""
        assert self._grid is not None
        return self._grid.nearest(self.source if self.cut is None else self._pruned(), codes)


def count_zeros(parts: Sequence[Part]) -> None:
    """Count what `nonzeros` and `fillers` of each part say, on several threads where there is much to count."""
    waiting = sorted((part for part in parts if part._counts is None), key=lambda part: -part.size)
    weights = sum(part.size for part in waiting)
    shares: list[list[Part]] = [[] for _ in range(limit() if weights > _WORTH_A_THREAD else 1)]
    taken = [0] * len(shares)
    for part in waiting:  # the largest first, each to the thread that has the least to do
        lightest = taken.index(min(taken))
        shares[lightest].append(part)
        taken[lightest] += part.size

    def count(start: int, stop: int) -> None:
        for share in shares[start:stop]:
            for part in share:
                _ = part.nonzeros

    split(count, len(shares), len(shares))


def _rows(values: Floats) -> Floats:
    """A tensor as the matrix [out, in · kh · kw]."""
    return values.reshape(values.shape[0], math.prod(values.shape[1:]))


def _boundary(source: Floats, cut: Cut) -> int | None:
    """Place in the flattened tensor up to which weights just at the threshold are cut; None for all of it."""
    return None if cut.ties is None else zero_runs.place_after(source, cut.threshold, cut.ties)


def _surviving(source: Floats, grouping: Grouping, low: Floats, high: Floats, cut: Cut) -> tuple[Floats, Floats]:
    """What is left of every group's range: a cut takes an end only with all of that side, but for ties."""
    threshold = np.float32(cut.threshold)
    left = np.where(low < -threshold, low, np.float32(0)), np.where(high > threshold, high, np.float32(0))
    boundary = _boundary(source, cut)
    if boundary is not None:
        flat = source.reshape(-1)
        spared = boundary + np.flatnonzero(np.abs(flat[boundary:]) == threshold)
        groups = grouping.of(spared, source.shape)
        np.minimum.at(left[0], groups, flat[spared])
        np.maximum.at(left[1], groups, flat[spared])
    return left
