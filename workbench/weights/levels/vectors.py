"""Vectors: a code stands for several neighbouring weights of a row, by a table for each stretch of the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels, Rounded
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class Vectors(Levels):
    """Product quantisation: the matrix [out, in·kh·kw] in stretches of `centroids.shape[2]` columns.

    Gong, Liu, Yang, Bourdev, Compressing deep convolutional networks using vector quantization, 2014, section 3.3.

    shape: of the weight tensor. centroids: float32 [stretches, k, length]; a code [out, stretches] is the place of a
    row's stretch in that stretch's table. The last stretch may be longer than what is left of a row: the rest of its
    vectors is not used. In arithmetic a weight has the 32 bits of a centroid.
    """

    code_per_weight: ClassVar[bool] = False  # also where a vector is one weight long: tables differ by stretch
    shape: tuple[int, ...]
    centroids: Floats
    bits: int = 32

    @property
    def stored_bits(self) -> int:
        return max(self.centroids.shape[1] - 1, 0).bit_length()

    @property
    def highest_code(self) -> int:
        return self.centroids.shape[1] - 1

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape[0], self.centroids.shape[0]

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        rows = stretches(weights, self.centroids.shape[2]).astype(np.float64)
        tables = self.centroids.astype(np.float64)
        places = np.empty(rows.shape[:2], np.int64)
        for stretch, table in enumerate(tables):
            vectors = rows[:, stretch]
            distance = (table**2).sum(1) - 2 * vectors @ table.T  # to each entry, but for what all have in common
            places[:, stretch] = distance.argmin(1)
        if codes is not None:
            codes[...] = places
        return self.decode(places)

    def decode(self, codes: Codes) -> Floats:
        columns = math.prod(self.shape[1:])
        rows = self.centroids[np.arange(self.centroids.shape[0]), codes.astype(np.int64)]
        whole = rows.reshape(len(codes), -1)[:, :columns]
        return np.ascontiguousarray(whole).reshape(self.shape) + np.float32(0)

    def facts(self) -> dict[str, Any]:
        return {"length": self.centroids.shape[2], "centroids": self.centroids.shape[1]}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("codebook", "codebooks", as_bytes(self.centroids)),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        columns = math.prod(shape[1:])
        length, count = reading.integer("length", 1, max(columns, 1)), reading.integer("centroids", 1, 2**16)
        stretch_count = -(-columns // length)
        if stretch_count * count * length > 2 * math.prod(shape) + 2**16:
            raise FormatError("its tables are larger than its weights")
        values = reading.floats("codebook", stretch_count * count * length)
        return cls(shape, values.reshape(stretch_count, count, length))

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Itself, unless weights were cut after they were rounded: a vector cannot leave one of its numbers out."""
        assert part.codes is not None
        return self if np.array_equal(self.decode(part.codes), part.values) else None

    @property
    def storable(self) -> bool:
        """A vector is no longer than a row."""
        return self.centroids.shape[1] >= 1 and self.centroids.shape[2] <= max(math.prod(self.shape[1:]), 1)


def stretches(weights: Floats, length: int) -> NDArray[np.float32]:
    """The rows of a tensor in stretches of `length` columns, filled up with zeros: [out, stretches, length]."""
    rows = weights.reshape(weights.shape[0], math.prod(weights.shape[1:]))
    missing = -rows.shape[1] % length
    return np.pad(rows, ((0, 0), (0, missing))).reshape(len(rows), -1, length)
