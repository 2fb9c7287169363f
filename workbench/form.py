"""The form of a layer's weights: what one step of a recipe hands to the next.

A form is always the same three things: one tensor or a product of tensors (rank), each with its zeros (sparsity),
each with its levels (bits). Methods make forms, encodings store them, and neither knows the other.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import fake_quantize, magnitudes, zero_runs
from workbench.kernels._threads import limit, split
from workbench.kernels.deviations import deviations

T = TypeVar("T")
_OBJECTS = 2**14  # bytes that a form, its parts, its plan and its costs take at most beside their arrays
_WORTH_A_THREAD = 2**19  # weights, which take one thread about a third of a millisecond to count

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
Granularity = Literal["tensor", "channel", "group"]
Product = Literal["channel", "spatial"]


@dataclass(frozen=True)
class Grouping:
    """Which weights share one scale.

    `tensor`: all of them. `channel`: one scale per output channel (row of the [out, in·kh·kw] matrix).
    `group`: runs of `size` consecutive weights inside a row, the last run of a row being shorter.
    """

    granularity: Granularity
    size: int = 64

    def runs_per_row(self, shape: tuple[int, ...]) -> int:
        columns = int(np.prod(shape[1:]))
        return -(-columns // self.size) if self.granularity == "group" else 1

    def count(self, shape: tuple[int, ...]) -> int:
        """Number of groups in a tensor of `shape`."""
        return 1 if self.granularity == "tensor" else shape[0] * self.runs_per_row(shape)

    def of(self, places: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The groups of the weights at `places` of the flattened tensor."""
        if self.granularity == "tensor":
            return np.zeros_like(places)
        row, column = np.divmod(places, math.prod(shape[1:]))
        return row * self.runs_per_row(shape) + (column // self.size if self.granularity == "group" else 0)

    def index(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The group of every weight, in the tensor's own shape."""
        return self.of(np.arange(math.prod(shape)), shape).reshape(shape)

    def spread(self, per_group: Floats, shape: tuple[int, ...]) -> Floats:
        """`per_group` laid out so that it broadcasts against a tensor of `shape`; no copy but for `group`."""
        if self.granularity == "tensor":
            return per_group
        if self.granularity == "channel":
            return per_group.reshape(-1, *[1] * (len(shape) - 1))
        columns = int(np.prod(shape[1:]))
        rows = np.repeat(per_group.reshape(shape[0], self.runs_per_row(shape)), self.size, axis=1)[:, :columns]
        return np.ascontiguousarray(rows).reshape(shape)


@dataclass(frozen=True, eq=False)
class Affine:
    """Levels on a uniform grid: value = scale · (code − zero point), in float32.

    scale, zero_point: one per group. A symmetric grid's zero point follows from `bits` (see `symmetric_zero_point`) and
    need not be stored.
    """

    bits: int
    grouping: Grouping
    scale: Floats
    zero_point: Floats
    symmetric: bool

    @property
    def highest(self) -> int:
        """Largest code: a symmetric grid leaves its last one unused, to have as many levels above zero as below."""
        return 2**self.bits - 2 if self.symmetric and self.bits > 1 else 2**self.bits - 1

    @property
    def zero_codes(self) -> Codes:
        """The code nearest to zero in each group."""
        return np.clip(np.rint(self.zero_point), 0, 2**self.bits - 1).astype(np.uint8)

    @cached_property
    def has_zero(self) -> NDArray[np.bool_]:
        """For each group, whether it has a level at zero."""
        return self.scale * (self.zero_codes - self.zero_point) == 0

    @cached_property
    def all_have_zero(self) -> bool:
        """Whether every group has a level at zero."""
        return bool(self.has_zero.all())

    @cached_property
    def centred(self) -> bool:
        """Whether every zero point is that of a symmetric grid."""
        return bool((self.zero_point == symmetric_zero_point(self.bits)).all())

    @cached_property
    def whole(self) -> bool:
        """Whether every zero point is a whole number from 0 to 255."""
        points = self.zero_point
        return bool(((points == np.rint(points)) & (points >= 0) & (points <= 255)).all())

    def dead_zones(self) -> tuple[Floats, Floats] | None:
        """Smallest and largest weight of every group that is rounded to zero; None where the kernel cannot tell."""
        if self.bits == 1 and ((self.scale < 1e-30) & (self.zero_point != symmetric_zero_point(1))).any():
            return None  # steps of so small a scale can vanish in float32
        return zero_runs.dead_zones(self.scale, self.zero_point, self.highest)

    def decode(self, codes: Codes) -> Floats:
        """Values of `codes`, an array in the weight tensor's own shape."""
        scale = self.grouping.spread(self.scale, codes.shape)
        return scale * (codes.astype(np.float32) - self.grouping.spread(self.zero_point, codes.shape))


def symmetric_zero_point(bits: int) -> float:
    """Code that stands for zero on a symmetric grid: 2^(b−1)−1, or ½ for one bit, whose two levels are ±scale/2."""
    return 0.5 if bits == 1 else float(2 ** (bits - 1) - 1)


@dataclass(frozen=True, eq=False)
class Codebook:
    """Levels in a table shared by the whole tensor: value = centroids[code], at most 256 of them."""

    bits: int
    centroids: Floats

    @property
    def edges(self) -> NDArray[np.float64]:
        """Halfway from each centroid to the next; a weight just there belongs to the lower one."""
        return (self.centroids[1:].astype(np.float64) + self.centroids[:-1]) / 2

    def dead_zones(self) -> tuple[Floats, Floats]:
        """Smallest and largest weight of the tensor that is rounded to zero, each [1]."""
        low = high = np.float32(0)
        zero = int(np.searchsorted(self.centroids, 0))
        if zero < self.centroids.size and self.centroids[zero] == 0:
            ends = np.concatenate([[-np.inf], self.edges, [np.inf]])[zero : zero + 2]
            low, high = ends.astype(np.float32)
            low = np.nextafter(low, np.float32(np.inf)) if np.isfinite(low) and low <= ends[0] else low
            high = np.nextafter(high, np.float32(-np.inf)) if high > ends[1] else high
        return np.array([low]), np.array([high])

    def decode(self, codes: Codes) -> Floats:
        """Values of `codes`, an array in the weight tensor's own shape."""
        return self.centroids[codes]


Levels = Affine | Codebook


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
    """

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
        values = np.where(zero, np.float32(0), levels.decode(codes)) + np.float32(0)
        return cls(np.ascontiguousarray(values, np.float32), levels, np.ascontiguousarray(codes, np.uint8))

    def without(self, cut: Cut) -> Part:
        """The same without the weights that are cut; its levels stay."""
        plain = self.cut is None and self._grid is None
        part = Part(self.source if plain else self.values, self.levels, self.codes)
        part.cut = cut
        part._whole = self if plain else Part(part.source)
        return part

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
        part._zeros = self._zeros
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
        codes = np.empty(self.shape, np.uint8)
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

    @property
    def nonzeros(self) -> int:
        return self._zeros[0]

    @property
    def fillers(self) -> tuple[int, ...]:
        """Entries that bridge runs of zeros in a relative index, for each width in `kernels.gaps.WIDTHS`."""
        return self._zeros[1]

    @property
    def nbytes(self) -> int:
        """Bytes of what this part alone holds; another one's source is not counted."""
        own = 0 if self.cut is not None or self._grid is not None else self.source.nbytes
        levels = () if self.levels is None else vars(self.levels).values()
        arrays = (*levels, self._codes, *(side for pair in self._ranges.values() for side in pair))
        return own + sum([one.nbytes for one in arrays if isinstance(one, np.ndarray)])

    def ranges(self, grouping: Grouping) -> tuple[Floats, Floats]:
        """Smallest and largest value of every group, zero among them, each float32 [groups]."""
        if grouping not in self._ranges:
            if self.cut is not None and self._whole is not None and self._grid is None:
                low, high = self._whole.ranges(grouping)
                self._ranges[grouping] = _surviving(self.source, grouping, low, high, self.cut)
            else:
                self._ranges[grouping] = fake_quantize.ranges(_rows(self.values), _run(grouping, self.shape))
        return self._ranges[grouping]

    def deviations(self, grouping: Grouping, centred: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (0 if `centred`) and mean distance from it of every group's non-zero values, each float64 [groups]."""
        run = _run(grouping, self.shape)
        if self._grid is not None or self.cut is None:
            return deviations(_rows(self.values), run, centred=centred)
        return deviations(_rows(self.source), run, self.cut.threshold, _boundary(self.source, self.cut), centred)

    @cached_property
    def _zeros(self) -> tuple[int, tuple[int, ...]]:
        threshold, boundary = 0.0, None
        if self.cut is not None:
            threshold, boundary = self.cut.threshold, _boundary(self.source, self.cut)
        zones = None if self._grid is None else self._grid.dead_zones()
        if zones is None:  # of the values themselves
            values = self.source if self._grid is None else self.values
            nothing = np.zeros(1, np.float32)
            nonzeros, fillers = zero_runs.count(_rows(values), nothing, nothing, None, threshold, boundary)
        else:
            run = _run(self._grid.grouping, self.shape) if isinstance(self._grid, Affine) else None
            nonzeros, fillers = zero_runs.count(_rows(self.source), *zones, run, threshold, boundary)
        return nonzeros, tuple(fillers.tolist())

    def _pruned(self) -> Floats:
        assert self.cut is not None
        return magnitudes.prune(self.source, self.cut.threshold, self.cut.ties)

    def _rounded(self, codes: Codes | None) -> Floats:
        """The values; `codes` is filled if given."""
        weights = self.source if self.cut is None else self._pruned()
        if isinstance(self._grid, Affine):
            grid = self._grid
            run = _run(grid.grouping, self.shape)
            rows = None if codes is None else codes.reshape(-1)
            levels, _ = fake_quantize.fake_quantize(
                _rows(weights), grid.scale, grid.zero_point, grid.highest, run, rows
            )
            return levels.reshape(self.shape)
        assert self._grid is not None
        codes = np.empty(self.shape, np.uint8) if codes is None else codes
        codes[...] = np.searchsorted(self._grid.edges, weights)
        return np.where(weights == 0, np.float32(0), self._grid.decode(codes)) + np.float32(0)


def count_zeros(parts: Sequence[Part]) -> None:
    """Count what `nonzeros` and `fillers` of each part say, on several threads where there is much to count."""
    waiting = sorted((part for part in parts if "_zeros" not in vars(part)), key=lambda part: -part.size)
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


def _run(grouping: Grouping, shape: tuple[int, ...]) -> int | None:
    """Weights that share a scale, as the kernels take it."""
    if grouping.granularity == "tensor":
        return None
    return grouping.size if grouping.granularity == "group" else max(math.prod(shape[1:]), 1)


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


@dataclass(frozen=True, eq=False)
class Form:
    """One part, or the two factors of a product, in the order in which the input meets them.

    `channel` product: linear [r, in] then [out, r]; convolution [r, in, kh, kw] (with the layer's stride, padding and
    dilation) then 1×1 [out, r, 1, 1]. `spatial` product: vertical [r, in, kh, 1] then horizontal [out, r, 1, kw].
    """

    parts: tuple[Part, ...]
    product: Product | None = None
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gives, computed once for this form; it must follow from the form and `key` alone."""
        if key not in self._known:
            self._known[key] = compute()
        return cast(T, self._known[key])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that its parts alone hold, and of the objects that go with it."""
        return sum([part.nbytes for part in self.parts]) + _OBJECTS

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Form:
        """The form of an uncompressed weight tensor."""
        return cls((Part.of(values),))

    @property
    def rank(self) -> int | None:
        """Inner dimension of the product, or None where there is one tensor only."""
        return None if self.product is None else self.parts[0].shape[0]

    @property
    def break_even(self) -> float | None:
        """Rank at which the factors hold as many weights as the one tensor would; mn/(m+n) for a matrix [m, n]."""
        if self.product is None:
            return None
        sizes = [part.size / part.shape[axis] for axis, part in enumerate(self.parts)]
        return self.weights / sum(sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the one tensor that the form stands for."""
        first, second = self.parts[0].shape, self.parts[-1].shape
        if self.product is None:
            return first
        return (second[0], *first[1:]) if self.product == "channel" else (second[0], first[1], first[2], second[3])

    @property
    def weights(self) -> int:
        """Number of weights in the one tensor that the form stands for."""
        return math.prod(self.shape)

    def compose(self) -> Floats:
        """The one weight tensor [out, in, ...] that the form stands for."""
        if self.product is None:
            return self.parts[0].values
        first, second = self.parts[0].values, self.parts[1].values
        if self.product == "channel":
            flat = second.reshape(second.shape[0], -1) @ first.reshape(first.shape[0], -1)
            return np.ascontiguousarray(flat.reshape(second.shape[0], *first.shape[1:]))
        return np.ascontiguousarray(np.einsum("nrx,rcy->ncyx", second[:, :, 0, :], first[:, :, :, 0]))
