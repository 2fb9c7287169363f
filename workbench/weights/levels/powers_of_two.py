"""Sums of a few signed powers of two: a multiplication is as many shifts, and one addition fewer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.sparse.stream import Listed
from workbench.weights.arrays import Codes, Floats, Indices
from workbench.weights.levels import Levels

if TYPE_CHECKING:
    from workbench.weights.reading import Reading

_EXPONENTS = 15  # of one term: with two signs and the zero a term takes 5 bits
TERM = 5  # bits
_MOST_TERMS = 3
LOWEST, HIGHEST = -126 + _EXPONENTS, 126  # of `top`, so that every level is a normal float32


@dataclass(frozen=True, eq=False)
class PowersOfTwo(Levels):
    """Σ ± 2^n over up to `terms` terms, n from top − 14 to top (Ding, Liu, Shi, Marculescu, Blanton, LightNN, 2017).

    A term of a code is 0 for none, else 1 + 2 · (top − n) + (1 where negative); the first term has the lowest bits.
    Terms are taken greedily, each of what the ones before it have left: sign(r) · 2^round(log2 |r|). A single term is
    within √2 − 1 of the weight, relative to it, as long as its exponent is in reach; what is smaller is dropped.
    """

    terms: int
    top: int

    @property
    def bits(self) -> int:  # type: ignore[override]
        return TERM * self.terms

    @property
    def shifts_per_weight(self) -> float:
        return self.terms

    @classmethod
    def over(cls, weights: Floats, terms: int) -> PowersOfTwo:
        """That reach the largest of `weights`."""
        largest = float(np.abs(weights).max(initial=0.0))
        top = int(np.rint(np.log2(largest))) if largest > 0 else 0
        return cls(terms, int(np.clip(top, LOWEST, HIGHEST)))

    @property
    def pointwise(self) -> bool:
        return True

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        left = weights.astype(np.float64)
        code = np.zeros(weights.shape, np.int64)
        for term in range(self.terms):
            field = self.term(left)
            left -= self.values[field]
            code |= field << (TERM * term)
        if codes is not None:
            codes[...] = code
        return self.decode(code)

    def term(self, left: NDArray[np.float64]) -> NDArray[np.int64]:
        """The five bits of the one term nearest to each number in its exponent."""
        with np.errstate(divide="ignore"):
            below = self.top - np.rint(np.log2(np.abs(left)))  # infinite for zero
        reached = below < _EXPONENTS
        place = np.where(reached, np.maximum(below, 0), 0).astype(np.int64)
        return np.where(reached, 1 + 2 * place + (left < 0), 0)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """Of one term, by its five bits."""
        powers = 2.0 ** (self.top - np.arange(_EXPONENTS))
        return np.concatenate([[0.0], np.stack([powers, -powers], axis=1).reshape(-1), [0.0]])

    def within(self, shape: tuple[int, ...], rows: Indices, whole: bool) -> Self:
        return self

    def decode(self, codes: Codes) -> Floats:
        whole = codes.astype(np.int64)
        total = np.zeros(codes.shape)
        for term in range(self.terms):
            total += self.values[(whole >> (TERM * term)) & (2**TERM - 1)]
        return total.astype(np.float32) + np.float32(0)

    def facts(self) -> dict[str, Any]:
        return {"terms": self.terms, "top": self.top}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        return cls(reading.integer("terms", 1, _MOST_TERMS), reading.integer("top", LOWEST, HIGHEST))

    @property
    def _table(self) -> Floats:
        return self.values.astype(np.float32)

    def listed(self, codes: NDArray[np.uint8], shape: tuple[int, ...]) -> Listed | None:
        return Listed(codes=codes, bits=TERM, table=self._table) if self.terms == 1 else None

    def low_bit(self, codes: Codes, zeros: bool) -> lowbit.LowBit | None:
        return lowbit.codebook(codes, TERM, self._table) if self.terms == 1 else None
