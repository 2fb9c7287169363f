"""Levels in one ascending table that the whole tensor shares; a code is a place in it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.sparse.stream import Listed
from workbench.weights.arrays import Codes, Floats, Indices
from workbench.weights.levels import DeadZones, Levels, Rounded

_IN_KERNELS = 256  # entries of a table that the kernels take


class Table(Levels):
    """What kinds of levels that are a table have in common; how the table is stored is their own."""

    @property
    @abstractmethod
    def entries(self) -> Floats:
        """The values, ascending, at most 2^16 of them; an added zero may stand at the end."""

    @property
    def pointwise(self) -> bool:
        return True

    @property
    def edges(self) -> NDArray[np.float64]:
        """Halfway from each entry to the next; a weight just there belongs to the lower one."""
        return (self.entries[1:].astype(np.float64) + self.entries[:-1]) / 2

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        codes = np.empty(weights.shape, self.code_type) if codes is None else codes
        codes[...] = np.searchsorted(self.edges, weights)
        return np.where(weights == 0, np.float32(0), self.decode(codes)) + np.float32(0)

    def within(self, shape: tuple[int, ...], rows: Indices, whole: bool) -> Self:
        return self

    def decode(self, codes: Codes) -> Floats:
        return self.entries[codes]

    def dead_zones(self, shape: tuple[int, ...]) -> DeadZones:
        low = high = np.float32(0)
        zero = int(np.searchsorted(self.entries, 0))
        if zero < self.entries.size and self.entries[zero] == 0:
            ends = np.concatenate([[-np.inf], self.edges, [np.inf]])[zero : zero + 2]
            low, high = ends.astype(np.float32)
            low = np.nextafter(low, np.float32(np.inf)) if np.isfinite(low) and low <= ends[0] else low
            high = np.nextafter(high, np.float32(-np.inf)) if high > ends[1] else high
        return np.array([low]), np.array([high]), None

    @property
    def stored_bits(self) -> int:
        """0 where there is nothing to choose."""
        return max(self.entries.size - 1, 0).bit_length()

    @property
    def highest_code(self) -> int:
        return self.entries.size - 1

    @property
    def has_zero(self) -> bool:
        return bool((self.entries == 0).any())

    def with_zeros(self, part: Rounded) -> Levels | None:
        return self if self.has_zero else None

    def zero_codes(self, shape: tuple[int, ...]) -> Codes:
        found = np.flatnonzero(self.entries == 0)
        return np.full(1, found[0] if found.size else 0, self.code_type)

    def listed(self, codes: NDArray[np.uint8], shape: tuple[int, ...]) -> Listed | None:
        if self.entries.size > _IN_KERNELS:
            return None
        return Listed(codes=codes, bits=self.stored_bits, table=self.entries)

    def low_bit(self, codes: Codes, zeros: bool) -> lowbit.LowBit | None:
        if not 1 <= self.entries.size <= _IN_KERNELS or (zeros and not self.has_zero):
            return None
        return lowbit.codebook(codes.astype(np.uint8, copy=False), max(self.stored_bits, 1), self.entries)
