"""Hashed inputs: an output has one value for all inputs that fall into a bucket, each with a sign of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels, Rounded
from workbench.weights.levels.hashed import hashes
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class HashedInputs(Levels):
    """w[o, i] = ξ(i) · sums[o, h(i)], i a column of the matrix [out, in·kh·kw]: a row times the inputs hashed alike.

    Weinberger, Dasgupta, Langford, Smola, Attenberg, Feature hashing, ICML 2009, definition 1.

    Nothing is stored for a weight. shape: of the weight tensor. seed: of the two hashes, h to a bucket and ξ to ±1.
    sums: float32 [outputs, buckets]. In arithmetic a weight has the 32 bits of its value.
    """

    code_per_weight: ClassVar[bool] = False
    shape: tuple[int, ...]
    seed: int
    sums: Floats
    bits: int = 32

    @classmethod
    def of(cls, weights: Floats, buckets: int, seed: int) -> HashedInputs:
        """φ of every row of the matrix: sums[o, k] = Σ ξ(i) · w[o, i] over the columns i of bucket k."""
        rows = weights.reshape(len(weights), math.prod(weights.shape[1:])).astype(np.float64)
        place, sign = hashes(rows.shape[1], buckets, seed)
        sums = np.zeros((buckets, len(rows)))
        np.add.at(sums, place, (sign * rows).T)
        return cls(weights.shape, seed, np.ascontiguousarray(sums.T, np.float32) + np.float32(0))

    @property
    def stored_bits(self) -> int:
        return 0

    @property
    def highest_code(self) -> int:
        return 0

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (0,)

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        return self.decode(np.empty(0, np.uint8))

    def decode(self, codes: Codes) -> Floats:
        place, sign = hashes(math.prod(self.shape[1:]), self.sums.shape[1], self.seed)
        rows = np.take(self.sums, place, axis=1) * sign.astype(np.float32)
        return rows.reshape(self.shape) + np.float32(0)

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Itself, unless weights were cut after they were rounded: places say nothing of which are left."""
        return self if np.array_equal(self.decode(np.empty(0, np.uint8)), part.values) else None

    def facts(self) -> dict[str, Any]:
        return {"seed": self.seed, "buckets": self.sums.shape[1]}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("sums", "codebooks", as_bytes(self.sums)),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        buckets = reading.integer("buckets", 1, max(math.prod(shape[1:]), 1))
        sums = reading.floats("sums", shape[0] * buckets)
        return cls(shape, reading.integer("seed", 0, 2**32 - 1), sums.reshape(shape[0], buckets))
