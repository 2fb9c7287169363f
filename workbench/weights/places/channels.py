"""Channels: the rows and columns that are left of a tensor, all weights where they cross."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit.bitpack import packed_size
from workbench.kernels.sparse.stream import BITMAP, Listed
from workbench.weights.places import Places, Placing
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.arrays import Floats, Positions
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class Channels(Places):
    """One bit for each output and one for each input channel of a tensor [out, in, ...], the first in bit 0.

    What is stored is the smaller tensor of those that are left, as if the others had never been there.
    """

    shape: tuple[int, ...]
    rows: NDArray[np.uint8]
    columns: NDArray[np.uint8]

    @classmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        out, inputs = part.shape[:2]
        arrays = (("rows", "indices", packed_size(out, 1)), ("columns", "indices", packed_size(inputs, 1)))
        room = part.listed_within(below - sum([nbytes for _, _, nbytes in arrays]))
        if part.surely_alive_size > room or part.alive_size == part.size:
            return ()
        return (Placing({}, arrays, part.alive_size, part.alive_size > part.nonzeros),)

    @classmethod
    def of(cls, part: Part, placing: Placing) -> Channels:
        rows, columns = part.alive
        return cls(part.shape, np.packbits(rows, bitorder="little"), np.packbits(columns, bitorder="little"))

    def _left(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        rows = np.unpackbits(self.rows, count=self.shape[0], bitorder="little")
        return rows.astype(bool), np.unpackbits(self.columns, count=self.shape[1], bitorder="little").astype(bool)

    def _listed(self) -> NDArray[np.bool_]:
        """Whether each weight is listed, flat."""
        rows, columns = self._left()
        return np.repeat(np.outer(rows, columns).reshape(-1), math.prod(self.shape[2:]))

    def positions(self, shape: tuple[int, ...]) -> Positions:
        return np.flatnonzero(self._listed())

    def arrays(self) -> tuple[Stored, ...]:
        rows, columns, *_ = self.shape
        return Stored("rows", "indices", self.rows, 1, rows), Stored("columns", "indices", self.columns, 1, columns)

    def fields(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Channels:
        return cls(shape, reading.bits("rows", 1, shape[0]), reading.bits("columns", 1, shape[1]))

    def stream(self) -> tuple[NDArray[np.uint8], int]:
        return np.packbits(self._listed(), bitorder="little"), BITMAP

    def matrix(self, listed: Listed) -> SmallerMatrix | None:
        if not listed.floats.size:
            return None
        rows, columns = self._left()
        values = listed.floats.reshape(int(rows.sum()), int(columns.sum()))
        return SmallerMatrix(self.shape[0], np.flatnonzero(rows), np.flatnonzero(columns), values)


@dataclass(frozen=True, eq=False)
class SmallerMatrix:
    """values: float32 [rows, columns] of a matrix of `outputs` rows, all else of which is zero."""

    outputs: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Floats

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.rows.nbytes + self.columns.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [inputs, columns] to [outputs, columns]."""
        y = np.zeros((self.outputs, x.shape[1]), np.float32)
        y[self.rows] = self.values @ x[self.columns]
        if bias is not None:
            y += bias[:, None]
        return y
