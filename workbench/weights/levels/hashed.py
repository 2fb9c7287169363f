"""Hashed weights: which of a few shared values a weight takes, and its sign, follow from where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels, Rounded
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class Hashed(Levels):
    """w[i] = ξ(i) · shared[h(i)] (Chen, Wilson, Tyree, Weinberger, Chen, HashedNets, ICML 2015, equations 3 and 7).

    Nothing is stored for a weight. shape: of the weight tensor. seed: of the two hashes, h to a bucket and ξ to ±1.
    shared: float32 [buckets]. In arithmetic a weight has the 32 bits of its bucket's value.
    """

    code_per_weight: ClassVar[bool] = False
    shape: tuple[int, ...]
    seed: int
    shared: Floats
    bits: int = 32

    @classmethod
    def fitted(cls, weights: Floats, buckets: int, seed: int) -> Hashed:
        """With the values of least squared error: the mean of ξ(i) · w[i] over each bucket; 0 in an empty one."""
        place, sign = hashes(weights.size, buckets, seed)
        sums = np.bincount(place, sign * weights.reshape(-1).astype(np.float64), buckets)
        members = np.bincount(place, minlength=buckets)
        return cls(weights.shape, seed, (sums / np.maximum(members, 1)).astype(np.float32) + np.float32(0))

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
        place, sign = hashes(math.prod(self.shape), self.shared.size, self.seed)
        return (sign * self.shared[place]).astype(np.float32).reshape(self.shape) + np.float32(0)

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Itself, unless weights were cut after they were rounded: places say nothing of which are left."""
        return self if np.array_equal(self.decode(np.empty(0, np.uint8)), part.values) else None

    def facts(self) -> dict[str, Any]:
        return {"seed": self.seed, "buckets": self.shared.size}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("shared", "codebooks", as_bytes(self.shared)),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        buckets = reading.integer("buckets", 1, max(math.prod(shape), 1))
        return cls(shape, reading.integer("seed", 0, 2**32 - 1), reading.floats("shared", buckets))


def hashes(count: int, buckets: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bucket and sign of the first `count` places: two independent draws from a mixed counter.

    The mixing is that of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), whose bits pass the usual tests of randomness.
    """
    with np.errstate(over="ignore"):
        mixed = np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    sign = np.where(mixed & np.uint64(1), 1.0, -1.0)
    return ((mixed >> np.uint64(1)) % np.uint64(max(buckets, 1))).astype(np.int64), sign
