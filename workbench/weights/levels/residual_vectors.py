"""Sums of vectors: a code for each stage, whose table holds vectors of what the stages before have left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from workbench.errors import FormatError
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels, Rounded
from workbench.weights.levels.vectors import Vectors
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class ResidualVectors(Levels):
    """w ≈ c_1 + c_2 + ... + c_t: the vector of each stage is the one nearest to what is left of a stretch of a row.

    Chen, Guan, Wang, Approximate nearest neighbor search by residual vector quantization, Sensors 2010; of weights in
    Gong, Liu, Yang, Bourdev 2014, section 3.4. stages: of tables of one size, a code [out, stretches, stages] is the
    place in each of them. In arithmetic a weight has the 32 bits of the sum.
    """

    code_per_weight: ClassVar[bool] = False
    stages: tuple[Vectors, ...]
    bits: int = 32

    @property
    def stored_bits(self) -> int:
        return self.stages[0].stored_bits

    @property
    def highest_code(self) -> int:
        return self.stages[0].highest_code

    @property
    def nbytes(self) -> int:
        return sum(stage.nbytes for stage in self.stages)

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return *self.stages[0].code_shape(shape), len(self.stages)

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        total, places = np.zeros_like(weights), np.empty(self.code_shape(weights.shape), np.int64)
        for number, stage in enumerate(self.stages):
            total = total + stage.nearest(weights - total, places[..., number])
        if codes is not None:
            codes[...] = places
        return total

    def decode(self, codes: Codes) -> Floats:
        total = self.stages[0].decode(codes[..., 0])
        for number, stage in enumerate(self.stages[1:], 1):
            total = total + stage.decode(codes[..., number])
        return total + np.float32(0)

    def facts(self) -> dict[str, Any]:
        return {"stages": len(self.stages), **self.stages[0].facts()}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("codebook", "codebooks", as_bytes(np.stack([stage.centroids for stage in self.stages]))),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        columns = math.prod(shape[1:])
        count = reading.integer("stages", 1, 16)
        length, entries = reading.integer("length", 1, max(columns, 1)), reading.integer("centroids", 1, 2**16)
        tables = count, -(-columns // length), entries, length
        if math.prod(tables) > count * (2 * math.prod(shape) + 2**16):
            raise FormatError("its tables are larger than its weights")
        values = reading.floats("codebook", math.prod(tables)).reshape(tables)
        return cls(tuple(Vectors(shape, centroids) for centroids in values))

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Itself, unless weights were cut after they were rounded: a vector cannot leave one of its numbers out."""
        assert part.codes is not None
        return self if np.array_equal(self.decode(part.codes), part.values) else None

    @property
    def storable(self) -> bool:
        return self.stages[0].storable
