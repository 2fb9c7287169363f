"""Sums of signed powers of two, each filter of so many terms as it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit.bitpack import pack
from workbench.weights.arrays import Codes, Floats
from workbench.weights.levels import Levels, Rounded
from workbench.weights.levels.powers_of_two import HIGHEST, LOWEST, TERM, PowersOfTwo
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.reading import Reading

_COUNT = 2  # bits of a filter's number of terms, so at most three


@dataclass(frozen=True, eq=False)
class PowersPerFilter(Levels):
    """Σ ± 2^n over up to k_i terms for the weights of filter i (Ding et al., FLightNN, DAC 2019, section 3).

    A filter is all that goes into one output. terms: uint8 [out], 0 to 3 of each; a filter of none is zero. A term has
    the five bits that `PowersOfTwo` gives it, and only the terms that there are have codes: those of filter 0, first
    terms first, then those of filter 1. A file holds k_i in two bits a filter.
    """

    code_per_weight: ClassVar[bool] = False
    shape: tuple[int, ...]
    terms: NDArray[np.uint8]
    top: int

    @classmethod
    def over(cls, weights: Floats, terms: NDArray[np.uint8]) -> PowersPerFilter:
        """That reach the largest of `weights`."""
        return cls(weights.shape, terms, PowersOfTwo.over(weights, 1).top)

    @cached_property
    def _powers(self) -> PowersOfTwo:
        return PowersOfTwo(1, self.top)

    @property
    def bits(self) -> int:  # type: ignore[override]
        """In arithmetic a weight is as wide as one of the most terms."""
        return TERM * max(int(self.terms.max(initial=0)), 1)

    @property
    def shifts_per_weight(self) -> float:
        """Of the filters that are not zero."""
        left = self.terms[self.terms > 0]
        return float(left.mean()) if left.size else 0.0

    @property
    def stored_bits(self) -> int:
        return TERM

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return int(self.terms.sum()), math.prod(shape[1:])

    @cached_property
    def _there(self) -> NDArray[np.bool_]:
        """[out, terms]: which terms a filter has."""
        return np.arange(self.terms.max(initial=0)) < self.terms[:, None]

    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        left = weights.reshape(weights.shape[0], -1).astype(np.float64)
        fields = np.zeros((len(left), self._there.shape[1], left.shape[1]), np.int64)
        for term in range(self._there.shape[1]):
            fields[:, term] = np.where(self._there[:, term, None], self._powers.term(left), 0)
            left -= self._powers.values[fields[:, term]]
        if codes is not None:
            codes[...] = fields[self._there]
        return self._summed(fields)

    def decode(self, codes: Codes) -> Floats:
        fields = np.zeros((*self._there.shape, math.prod(self.shape[1:])), np.int64)
        fields[self._there] = codes
        return self._summed(fields)

    def _summed(self, fields: NDArray[np.int64]) -> Floats:
        total = self._powers.values[fields].sum(1)  # exact: fifteen exponents lie within a float32
        return total.astype(np.float32).reshape(self.shape) + np.float32(0)

    def facts(self) -> dict[str, Any]:
        return {"top": self.top}

    def tables(self) -> tuple[Stored, ...]:
        return (Stored("terms", "scales", pack(self.terms, _COUNT)),)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        return cls(shape, reading.codes("terms", _COUNT, shape[0])[1], reading.integer("top", LOWEST, HIGHEST))

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Itself, unless weights were cut after they were rounded: the codes still say what they were."""
        assert part.codes is not None
        return self if np.array_equal(self.decode(part.codes), part.values) else None
