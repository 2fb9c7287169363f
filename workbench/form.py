"""The form of a layer's weights: what one step of a recipe hands to the next.

A form is always the same three things: one tensor or a product of tensors (rank), each with its zeros (sparsity),
each with its levels (bits). Methods make forms, encodings store them, and neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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

    def index(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The group of every weight, in the tensor's own shape."""
        if self.granularity == "tensor":
            return np.zeros(shape, np.int64)
        columns = int(np.prod(shape[1:]))
        column = np.arange(columns) // self.size if self.granularity == "group" else np.zeros(columns, np.int64)
        rows = np.arange(shape[0])[:, None] * self.runs_per_row(shape)
        return np.ascontiguousarray((rows + column[None, :]).reshape(shape))

    def spread(self, per_group: Floats, shape: tuple[int, ...]) -> Floats:
        """`per_group` laid out so that it broadcasts against a tensor of `shape`; no copy but for `group`."""
        if self.granularity == "tensor":
            return per_group
        if self.granularity == "channel":
            return per_group.reshape(-1, *[1] * (len(shape) - 1))
        columns = int(np.prod(shape[1:]))
        rows = np.repeat(per_group.reshape(shape[0], self.runs_per_row(shape)), self.size, axis=1)[:, :columns]
        return np.ascontiguousarray(rows).reshape(shape)

    def blocks(self, values: Floats) -> Floats:
        """The weights as [groups, members], short groups filled up with zeros."""
        if self.granularity == "tensor":
            return values.reshape(1, -1)
        rows = values.reshape(values.shape[0], -1)
        if self.granularity == "channel":
            return rows
        missing = self.runs_per_row(values.shape) * self.size - rows.shape[1]
        return np.pad(rows, ((0, 0), (0, missing))).reshape(-1, self.size)


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

    def decode(self, codes: Codes) -> Floats:
        """Values of `codes`, an array in the weight tensor's own shape."""
        return self.centroids[codes]


Levels = Affine | Codebook


@dataclass(frozen=True, eq=False)
class Part:
    """One tensor of a form: float32 values, exact zeros written +0.0, and the levels they lie on, if any.

    Where a value is not zero it equals `levels.decode(codes)` bit for bit. A zero may lie off the grid; what its code
    then says is meaningless.
    """

    values: Floats
    levels: Levels | None = None
    codes: Codes | None = None

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Part:
        """A part with full-precision values."""
        return cls(np.ascontiguousarray(values, np.float32) + np.float32(0))  # -0.0 + 0.0 is +0.0

    @classmethod
    def on_levels(cls, levels: Levels, codes: Codes, zero: NDArray[np.bool_]) -> Part:
        """A part on `levels`; exactly zero where `zero` says so."""
        values = np.where(zero, np.float32(0), levels.decode(codes)) + np.float32(0)
        return cls(np.ascontiguousarray(values, np.float32), levels, np.ascontiguousarray(codes, np.uint8))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def bits(self) -> int:
        """Width of one stored weight: of its code, or 32 where there is none."""
        return 32 if self.levels is None else self.levels.bits

    @property
    def nonzeros(self) -> int:
        return int(np.count_nonzero(self.values))


@dataclass(frozen=True, eq=False)
class Form:
    """One part, or the two factors of a product, in the order in which the input meets them.

    `channel` product: linear [r, in] then [out, r]; convolution [r, in, kh, kw] (with the layer's stride, padding and
    dilation) then 1×1 [out, r, 1, 1]. `spatial` product: vertical [r, in, kh, 1] then horizontal [out, r, 1, kw].
    """

    parts: tuple[Part, ...]
    product: Product | None = None

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
        sizes = [int(np.prod(part.shape)) / part.shape[axis] for axis, part in enumerate(self.parts)]
        return self.weights / sum(sizes)

    @property
    def weights(self) -> int:
        """Number of weights in the one tensor that the form stands for."""
        first, second = self.parts[0].shape, self.parts[-1].shape
        if self.product is None:
            return int(np.prod(first))
        return int(np.prod(first[1:])) * second[0] * (second[3] if self.product == "spatial" else 1)

    def compose(self) -> Floats:
        """The one weight tensor [out, in, ...] that the form stands for."""
        if self.product is None:
            return self.parts[0].values
        first, second = self.parts[0].values, self.parts[1].values
        if self.product == "channel":
            flat = second.reshape(second.shape[0], -1) @ first.reshape(first.shape[0], -1)
            return np.ascontiguousarray(flat.reshape(second.shape[0], *first.shape[1:]))
        return np.ascontiguousarray(np.einsum("nrx,rcy->ncyx", second[:, :, 0, :], first[:, :, :, 0]))
