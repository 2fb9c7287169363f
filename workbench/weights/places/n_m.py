"""N:M: of every M neighbours in a row the same N are listed; which ones, is one number a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.kernels.sparse.nm import NmSparse
from workbench.kernels.sparse.patterns import most_in_a_run
from workbench.kernels.sparse.stream import BITMAP, Listed
from workbench.kernels.sparse.survivors import Survivors
from workbench.weights.places import Places, Placing
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.arrays import Positions
    from workbench.weights.blank import Blank
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading

RUNS = (4, 8, 16)


@dataclass(frozen=True, eq=False)
class NofM(Places):
    """N entries in every whole run of M weights of a row [in · kh · kw], and every weight after its last whole run.

    A run with fewer survivors lists its first zeros, too. Which N of the M are listed is the number of that choice
    among all M!/(N!(M−N)!), in ⌈log₂⌉ of that many bits (2:4: 3 bits for 4 weights, where a bitmap takes 4, as do the
    two indices of Mishra et al., Accelerating Sparse Deep Neural Networks, 2021, section 3).

    choices: these numbers, packed.
    """

    shape: tuple[int, ...]
    n: int
    m: int
    choices: NDArray[np.uint8]

    @property
    def pattern(self) -> str:
        return f"{self.n}:{self.m}"

    @classmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        return _placings(part, below)

    @classmethod
    def outlined(cls, part: Blank) -> Iterable[Placing]:
        return () if part.pattern is None else (_placing(part, *part.pattern),)

    @classmethod
    def of(cls, part: Part, placing: Placing) -> NofM:
        n, m = placing.fields["n"], placing.fields["m"]
        runs, _ = _split(_rows(part.values), m)
        alive = runs != 0
        fill = ~alive & (np.cumsum(~alive, axis=2) <= n - alive.sum(axis=2, keepdims=True))
        masks = ((alive | fill) << np.arange(m, dtype=np.int64)).sum(axis=2).reshape(-1)
        numbers = np.searchsorted(_choices(n, m), masks)
        width = _width(n, m)
        return cls(part.shape, n, m, pack(numbers.astype(np.uint8 if width <= 8 else np.uint16), width))

    def positions(self, shape: tuple[int, ...]) -> Positions:
        return np.flatnonzero(self._listed())

    def _listed(self) -> NDArray[np.bool_]:
        """Whether each weight is listed, [rows, columns]."""
        rows, columns = self.shape[0], math.prod(self.shape[1:])
        whole = columns // self.m
        masks = _choices(self.n, self.m)[unpack(self.choices, _width(self.n, self.m), rows * whole)]
        listed = np.ones((rows, columns), bool)
        bits = (masks[:, None] >> np.arange(self.m)) & 1
        listed[:, : whole * self.m] = bits.reshape(rows, whole * self.m)
        return listed

    def arrays(self) -> tuple[Stored, ...]:
        runs = self.shape[0] * (math.prod(self.shape[1:]) // self.m)
        return (Stored("choices", "indices", self.choices, _width(self.n, self.m), runs),)

    def fields(self) -> dict[str, Any]:
        return {"n": self.n, "m": self.m}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> NofM:
        m = reading.integer("m", RUNS[0], RUNS[-1])
        if m not in RUNS:
            raise FormatError(f"field 'm' must be one of {', '.join(map(str, RUNS))}, not {m}")
        n = reading.integer("n", 1, m - 1)
        width = _width(n, m)
        packed, numbers = reading.codes("choices", width, shape[0] * (math.prod(shape[1:]) // m))
        if numbers.size and int(numbers.max()) >= math.comb(m, n):
            raise FormatError(f"there are only {math.comb(m, n)} ways to choose {n} of {m} weights")
        return cls(shape, n, m, packed)

    def check(self, listed: NDArray[np.float32]) -> None:
        flat = np.zeros(math.prod(self.shape), np.float32)
        flat[self.positions(self.shape)] = listed
        runs, _ = _split(flat.reshape(self.shape[0], -1), self.m)
        zeros = (runs == 0) & _split(self._listed(), self.m)[0]
        before = np.cumsum(runs == 0, axis=2)
        if (zeros & (before > zeros.sum(axis=2, keepdims=True))).any():
            raise FormatError("a zero that is listed is not among the first of its run")

    def stream(self) -> tuple[NDArray[np.uint8], int]:
        return np.packbits(self._listed().reshape(-1), bitorder="little"), BITMAP

    def matrix(self, listed: Listed) -> NmSparse | None:
        if not listed.floats.size:
            return None
        alive = listed.floats != 0
        shape = self.shape[0], math.prod(self.shape[1:])
        rest = self.positions(self.shape)[alive]
        survivors = Survivors.from_positions(rest, listed.floats[alive], shape)
        most = max(self.n, shape[1] % self.m)  # all of a row's last weights may have survived
        return NmSparse.of(survivors, most, self.m) if most < self.m else None


def _placings(part: Part, below: float) -> Iterator[Placing]:
    # Where weights of one bit are cut by a threshold, every pattern might pay, and looking for them would take long.
    if part.nonzeros == part.size or (part.bits == 1 and part.cut is not None):
        return
    rows, columns = part.shape[0], math.prod(part.shape[1:])
    weights, magnitude = part.certain
    for m in RUNS:
        whole, rest = divmod(columns, m)
        runs = rows * whole
        room = part.listed_within(below - _nbytes(runs, 1, m)) - rows * rest
        most = min(room // max(runs, 1), m - 1)
        if not runs or most < 1 or part.nonzeros > runs * most + rows * rest:
            continue
        if most_in_a_run(_rows(weights), m, magnitude, most) > most:
            continue
        n = max(most_in_a_run(_rows(part.values), m, 0.0, most), 1)
        if n > most:  # levels of several weights at once may fill zeros
            continue
        yield _placing(part, n, m)


def _placing(part: Part, n: int, m: int) -> Placing:
    rows = part.shape[0]
    whole, rest = divmod(math.prod(part.shape[1:]), m)
    entries = rows * (whole * n + rest)
    choices = ("choices", "indices", _nbytes(rows * whole, n, m))
    return Placing({"n": n, "m": m}, (choices,), entries, entries > part.nonzeros)


def _nbytes(runs: int, n: int, m: int) -> int:
    """Of the numbers that say which are listed."""
    return packed_size(runs, _width(n, m))


def _rows(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(values.shape[0], math.prod(values.shape[1:]))


def _split(matrix: NDArray[Any], m: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The whole runs of a matrix, [rows, runs, m], and the columns after them."""
    rows, columns = matrix.shape
    end = columns // m * m
    return matrix[:, :end].reshape(rows, columns // m, m), matrix[:, end:]


def _width(n: int, m: int) -> int:
    """Bits of the number of a choice."""
    return (math.comb(m, n) - 1).bit_length()


@cache
def _choices(n: int, m: int) -> NDArray[np.int64]:
    """Every choice of n out of m as a mask, the first weight in the lowest bit, ascending."""
    masks = np.arange(2**m, dtype=np.int64)
    return masks[((masks[:, None] >> np.arange(m)) & 1).sum(axis=1) == n]
