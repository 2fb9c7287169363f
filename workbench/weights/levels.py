"""The levels that quantised weights lie on: uniform grids and tables, and which weights share a scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.sparse import zero_runs

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
Granularity = Literal["tensor", "channel", "group"]


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
