"""Uniform grids: value = scale · (code − zero point), in groups that share a scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.binary.grids import Grid, GridConvolution, GridMatrix, GridWeights
from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.lowbit.code_tiles import INPUTS
from workbench.kernels.sparse import zero_runs
from workbench.kernels.sparse.stream import Listed
from workbench.kernels.statistics.fake_quantize import fake_quantize
from workbench.weights.arrays import Codes, Floats, Indices
from workbench.weights.grouping import Granularity, Grouping
from workbench.weights.levels import DeadZones, Levels, Rounded
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.encoding import Convolution, Kernel
    from workbench.weights.reading import Reading

_LARGEST_GROUP = 1024
# Products of bit planes are taken where they are faster than codes times float32: for weights and inputs whose widths
# multiply to few bits, and where laying out the bits of the inputs is little beside the products.
_PLANES = 4
_FEWEST_WEIGHTS, _FEWEST_CHANNELS = 2**19, 64  # of a matrix; of a convolution
_DEEPEST = 2**24  # products in a sum, whose codes add up to less than 2^31


@dataclass(frozen=True, eq=False)
class Affine(Levels):
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
    def pointwise(self) -> bool:
        """Whether all numbers share one scale."""
        return self.grouping.granularity == "tensor"

    @property
    def highest(self) -> int:
        """Largest code: a symmetric grid leaves its last one unused, to have as many levels above zero as below."""
        return 2**self.bits - 2 if self.symmetric and self.bits > 1 else 2**self.bits - 1

    @property
    def zero_code(self) -> NDArray[np.uint8]:
        """The code nearest to zero in each group."""
        return np.clip(np.rint(self.zero_point), 0, 2**self.bits - 1).astype(np.uint8)

    @cached_property
    def has_zero(self) -> NDArray[np.bool_]:
        """For each group, whether it has a level at zero."""
        return self.scale * (self.zero_code - self.zero_point) == 0

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

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        flat = None if codes is None else codes.reshape(-1)
        run = self.grouping.run(weights.shape)
        levels = fake_quantize(_rows(weights), self.scale, self.zero_point, self.highest, run, flat)
        return levels.reshape(weights.shape)

    def decode(self, codes: Codes) -> Floats:
        """Values of `codes`, an array in the weight tensor's own shape."""
        values = codes.astype(np.float32)
        values -= self.grouping.spread(self.zero_point, codes.shape)
        values *= self.grouping.spread(self.scale, codes.shape)
        return values

    def within(self, shape: tuple[int, ...], rows: Indices, whole: bool) -> Self | None:
        """None where a group would lose some of its inputs: those of a row are then counted off anew."""
        if self.grouping.granularity == "tensor":
            return self
        if self.grouping.runs_per_row(shape) > 1 and not whole:
            return None
        scale, point = (each.reshape(shape[0], -1)[rows].reshape(-1) for each in (self.scale, self.zero_point))
        return replace(self, scale=scale, zero_point=point)

    def dead_zones(self, shape: tuple[int, ...]) -> DeadZones | None:
        if self.bits == 1 and ((self.scale < 1e-30) & (self.zero_point != symmetric_zero_point(1))).any():
            return None  # steps of so small a scale can vanish in float32
        return *zero_runs.dead_zones(self.scale, self.zero_point, self.highest), self.grouping.run(shape)

    @property
    def storable(self) -> bool:
        """Groups are not too large, and a symmetric grid's zero points follow from its width."""
        grouping = self.grouping
        if grouping.granularity == "group" and not 1 <= grouping.size <= _LARGEST_GROUP:
            return False
        return not self.symmetric or self.centred

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"bits": self.bits, "granularity": self.grouping.granularity}
        if self.grouping.granularity == "group":
            facts["size"] = self.grouping.size
        facts["symmetric"] = self.symmetric
        if not self.symmetric:
            facts["zero_points"] = "uint8" if self._narrow else "float32"
        return facts

    def tables(self) -> tuple[Stored, ...]:
        scales = Stored("scales", "scales", as_bytes(self.scale))
        if self.symmetric:
            return (scales,)
        points = self.zero_point.astype(np.uint8) if self._narrow else self.zero_point
        return scales, Stored("zero_points", "scales", as_bytes(points))

    @property
    def _narrow(self) -> bool:
        """Whether a zero point takes one byte, since all are whole numbers that fit, and not four."""
        return self.bits > 1 and self.whole

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        bits = reading.integer("bits", 1, 8)
        granularity: Granularity = reading.choice("granularity", get_args(Granularity))  # type: ignore[assignment]
        grouping = Grouping(granularity)
        if granularity == "group":
            grouping = Grouping(granularity, reading.integer("size", 1, _LARGEST_GROUP))
        groups = grouping.count(shape)
        scale = reading.floats("scales", groups)
        if reading.flag("symmetric"):
            return cls(bits, grouping, scale, np.full(groups, symmetric_zero_point(bits), np.float32), True)
        narrow = reading.choice("zero_points", ("uint8", "float32")) == "uint8"
        if narrow:
            zero_point = reading.array("zero_points", groups).astype(np.float32)
        else:
            zero_point = reading.floats("zero_points", groups)
        levels = cls(bits, grouping, scale, zero_point, False)
        if narrow != levels._narrow:
            raise FormatError("its zero points are not of the type that they need")
        return levels

    def with_zeros(self, part: Rounded) -> Self | None:
        """The grid itself where every zero of `part` lies in a group with a level at zero."""
        if self.all_have_zero:
            return self
        if not self.has_zero.any():
            return self if part.nonzeros == part.size else None
        without = np.broadcast_to(self.grouping.spread(~self.has_zero, part.shape), part.shape)
        return None if ((part.values == 0) & without).any() else self

    def zero_codes(self, shape: tuple[int, ...]) -> Codes:
        return self.grouping.spread(self.zero_code, shape)

    def multiplied(
        self, weights: Levels, codes: Codes, shape: tuple[int, ...], use: Convolution | None
    ) -> Kernel | None:
        grid, depth = weights.grid(shape), math.prod(shape[1:])
        few = weights.stored_bits * self.bits <= _PLANES and 1 <= depth <= _DEEPEST
        on_grid = self.whole and self.zero_point[0] <= self.highest_code  # padding and zero have a code
        if grid is None or not few or not on_grid or (use is not None and use.groups > 1):
            return None
        if math.prod(shape) < _FEWEST_WEIGHTS if use is None else shape[1] < _FEWEST_CHANNELS:
            return None
        entering = Grid(self.bits, float(self.scale[0]), int(self.zero_point[0]))
        made = GridWeights.of(codes.reshape(shape), weights.stored_bits, *grid, entering)
        return GridMatrix(made) if use is None else GridConvolution(made, use.stride, use.padding, use.dilation)

    def grid(self, shape: tuple[int, ...]) -> tuple[Floats, Floats] | None:
        if self.grouping.granularity == "group":
            return None
        scale, point = (np.broadcast_to(one, (shape[0],)) for one in (self.scale, self.zero_point))
        return scale, point

    def listed(self, codes: NDArray[np.uint8], shape: tuple[int, ...]) -> Listed:
        points = self.zero_point
        group = self.grouping.size if self.grouping.runs_per_row(shape) > 1 else 0
        alike = points.size > 0 and bool((points == points[0]).all())
        if alike:
            return Listed(codes=codes, bits=self.bits, scale=self.scale, point=float(points[0]), group=group)
        if not self.symmetric and self._narrow:
            points = points.astype(np.uint8)
        return Listed(codes=codes, bits=self.bits, scale=self.scale, points=points, group=group)

    def low_bit(self, codes: Codes, zeros: bool) -> lowbit.LowBit | None:
        size = self.grouping.size if self.grouping.runs_per_row(codes.shape) > 1 else 0
        if size % INPUTS or (zeros and not self.all_have_zero):
            return None
        return lowbit.affine(codes, self.bits, self.scale, self.zero_point, size=size)


def symmetric_zero_point(bits: int) -> float:
    """Code that stands for zero on a symmetric grid: 2^(b−1)−1, or ½ for one bit, whose two levels are ±scale/2."""
    return 0.5 if bits == 1 else float(2 ** (bits - 1) - 1)


def _rows(values: Floats) -> Floats:
    """A tensor as the matrix [out, in · kh · kw]."""
    return values.reshape(values.shape[0], math.prod(values.shape[1:]))
