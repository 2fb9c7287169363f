"""Sums of binary bases: a weight is α₁ ± α₂ ± ... ± α_M, by M bits of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.sparse.stream import Listed
from workbench.weights.arrays import Codes, Floats, Indices
from workbench.weights.levels import Levels, Rounded
from workbench.weights.stored import Stored, as_bytes

if TYPE_CHECKING:
    from workbench.weights.reading import Reading

MOST_BASES = 8


@dataclass(frozen=True, eq=False)
class BinaryBases(Levels):
    """w = Σ α_m B_m with B_m = ±1 (Lin, Zhao, Pan, ABC-Net, NeurIPS 2017, equation 2); bit m of a code is B_m > 0.

    alphas: float32 [M], of the whole tensor.
    """

    alphas: Floats

    @property
    def bits(self) -> int:  # type: ignore[override]
        return int(self.alphas.size)

    @cached_property
    def entries(self) -> Floats:
        """The value of every code."""
        return (self.signs(np.arange(2**self.bits)) @ self.alphas.astype(np.float64)).astype(np.float32)

    def signs(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """B of each code, ±1 [..., M]."""
        bit = (codes[..., None].astype(np.int64) >> np.arange(self.bits)) & 1
        return np.where(bit, np.float64(1), np.float64(-1))

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        order = np.argsort(self.entries, kind="stable")
        ascending = self.entries[order].astype(np.float64)
        found = order[np.searchsorted((ascending[1:] + ascending[:-1]) / 2, weights)].astype(self.code_type)
        if codes is not None:
            codes[...] = found
        return np.where(weights == 0, np.float32(0), self.entries[found]) + np.float32(0)

    def within(self, shape: tuple[int, ...], rows: Indices, whole: bool) -> Self:
        return self

    def decode(self, codes: Codes) -> Floats:
        return self.entries[codes]

    def facts(self) -> dict[str, Any]:
        return {"bases": self.bits}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("alphas", "scales", as_bytes(self.alphas)),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        return cls(reading.floats("alphas", reading.integer("bases", 1, MOST_BASES)))

    @property
    def has_zero(self) -> bool:
        """Whether some of its sums is exactly zero."""
        return bool((self.entries == 0).any())

    def with_zeros(self, part: Rounded) -> Levels | None:
        return self if self.has_zero or part.nonzeros == part.size else None

    def zero_codes(self, shape: tuple[int, ...]) -> Codes:
        return np.full(1, int(np.argmin(np.abs(self.entries))), self.code_type)

    def listed(self, codes: NDArray[np.uint8], shape: tuple[int, ...]) -> Listed:
        return Listed(codes=codes, bits=self.bits, table=self.entries)

    def low_bit(self, codes: Codes, zeros: bool) -> lowbit.LowBit | None:
        if zeros and not self.has_zero:
            return None
        return lowbit.codebook(codes.astype(np.uint8, copy=False), self.bits, self.entries)
