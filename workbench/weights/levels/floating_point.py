"""Floating point of 16 bits or fewer: a sign, an exponent and a mantissa, with subnormals and without infinities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import DeadZones
from workbench.weights.levels._table import Table

if TYPE_CHECKING:
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class FloatingPoint(Table):
    """All finite numbers of the format (1, exponent, mantissa), the exponent's bias 2^(exponent − 1) − 1.

    As in IEEE 754 the largest exponent is kept for infinities, which no weight needs, and the smallest for subnormals.
    (1, 5, 2) is the FP8 of Wang, Choi, Brand, Chen, Gopalakrishnan, NeurIPS 2018, section 3. A weight halfway between
    two levels goes to the one whose mantissa is even; one beyond the largest becomes the largest. (1, 5, 10) is torch's
    float16, (1, 8, 7) its bfloat16.
    """

    exponent: int
    mantissa: int

    @property
    def bits(self) -> int:  # type: ignore[override]
        return 1 + self.exponent + self.mantissa

    @cached_property
    def entries(self) -> Floats:
        steps = np.arange(2**self.mantissa) / 2**self.mantissa
        bias = 2 ** (self.exponent - 1) - 1
        normal = [(1 + steps) * 2.0 ** (exponent - bias) for exponent in range(1, 2**self.exponent - 1)]
        positive = np.concatenate([steps * 2.0 ** (1 - bias), *normal])
        return np.concatenate([-positive[:0:-1], positive]).astype(np.float32)

    @cached_property
    def edges(self) -> NDArray[np.float64]:
        return super().edges

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        places = np.searchsorted(self.edges, weights)
        halfway = (places < self.edges.size) & (self.edges[np.minimum(places, self.edges.size - 1)] == weights)
        zero = self.entries.size // 2  # a place whose distance from zero's is even has an even mantissa
        places = places + (halfway & ((places - zero) % 2 != 0))
        if codes is not None:
            codes[...] = places
        return self.entries[places] + np.float32(0)

    def codes_of(self, levels: Floats) -> Codes:
        """The codes of numbers that are levels, read off their bits."""
        bias = 2 ** (self.exponent - 1) - 1
        magnitude = np.ascontiguousarray(np.abs(levels), np.float32)
        normal = (magnitude.view(np.uint32) >> (23 - self.mantissa)).astype(np.int64) - ((127 - bias) << self.mantissa)
        small, step = magnitude < 2.0 ** (1 - bias), 2.0 ** (1 - bias - self.mantissa)  # of subnormals
        steps = np.where(small, magnitude, 0).astype(np.float64) / step
        place = np.where(small, steps.astype(np.int64), normal)
        return (self.entries.size // 2 + np.where(levels < 0, -place, place)).astype(self.code_type)

    def dead_zones(self, shape: tuple[int, ...]) -> DeadZones:
        """Up to half the smallest level on both sides, since zero's mantissa is even."""
        half = np.float32(self.edges[self.entries.size // 2])
        return np.array([-half]), np.array([half]), None

    def facts(self) -> dict[str, Any]:
        return {"exponent": self.exponent, "mantissa": self.mantissa}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        levels = cls(reading.integer("exponent", 2, 8), reading.integer("mantissa", 0, 10))
        if levels.bits > 16:
            raise FormatError(f"floating point of {levels.bits} bits is wider than 16")
        return levels
