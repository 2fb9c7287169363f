"""Blocks of neighbouring outputs × 1 input: one bit a block says whether its weights are listed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import packed_size
from workbench.kernels.sparse.block import HEIGHTS, BlockSparse
from workbench.kernels.sparse.patterns import in_blocks
from workbench.kernels.sparse.stream import BITMAP, Listed
from workbench.kernels.sparse.survivors import Survivors
from workbench.weights.places import Places, Placing
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.arrays import Positions
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading

_PROBE = 2**14  # weights that are looked at first


@dataclass(frozen=True, eq=False)
class Block(Places):
    """A bitmap of the blocks of `height` outputs × 1 input of a matrix [out, in · kh · kw], the first in bit 0.

    All weights of a block that it marks are listed, in the storage order of the tensor; the blocks of the last outputs
    may be lower.
    """

    shape: tuple[int, ...]
    height: int
    blocks: NDArray[np.uint8]

    @property
    def pattern(self) -> str:
        return f"blocks of {self.height} × 1"

    @classmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        return _placings(part, below)

    @classmethod
    def of(cls, part: Part, placing: Placing) -> Block:
        height = placing.fields["height"]
        return cls(part.shape, height, np.packbits(_alive(part.values, height).reshape(-1), bitorder="little"))

    def positions(self, shape: tuple[int, ...]) -> Positions:
        return np.flatnonzero(self._listed())

    def _listed(self) -> NDArray[np.bool_]:
        """Whether each weight is listed, [rows, columns]."""
        rows, columns = self.shape[0], math.prod(self.shape[1:])
        high = -(-rows // self.height)
        bits = np.unpackbits(self.blocks, count=high * columns, bitorder="little").reshape(high, columns)
        return np.repeat(bits.astype(bool), self.height, axis=0)[:rows]

    def arrays(self) -> tuple[Stored, ...]:
        blocks = -(-self.shape[0] // self.height) * math.prod(self.shape[1:])
        return (Stored("blocks", "indices", self.blocks, 1, blocks),)

    def fields(self) -> dict[str, Any]:
        return {"height": self.height}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Block:
        height = reading.integer("height", HEIGHTS[0], HEIGHTS[-1])
        if height not in HEIGHTS:
            raise FormatError(f"field 'height' must be one of {', '.join(map(str, HEIGHTS))}, not {height}")
        return cls(shape, height, reading.bits("blocks", 1, -(-shape[0] // height) * math.prod(shape[1:])))

    def check(self, listed: NDArray[np.float32]) -> None:
        flat = np.zeros(math.prod(self.shape), np.float32)
        flat[self.positions(self.shape)] = listed
        found = np.packbits(_alive(flat.reshape(self.shape), self.height).reshape(-1), bitorder="little")
        if not np.array_equal(found, self.blocks):
            raise FormatError("a block that is listed holds nothing but zeros")

    def stream(self) -> tuple[NDArray[np.uint8], int]:
        return np.packbits(self._listed().reshape(-1), bitorder="little"), BITMAP

    def matrix(self, listed: Listed) -> BlockSparse | None:
        if not listed.floats.size:
            return None
        shape = self.shape[0], math.prod(self.shape[1:])
        survivors = Survivors.from_positions(self.positions(self.shape), listed.floats, shape)
        return BlockSparse.of(survivors, self.height)


def _placings(part: Part, below: float) -> Iterator[Placing]:
    # Where weights of one bit are cut by a threshold, every pattern might pay, and looking for them would take long.
    if part.nonzeros == part.size or (part.bits == 1 and part.cut is not None):
        return
    rows, columns = part.shape[0], math.prod(part.shape[1:])
    weights, magnitude = part.certain
    matrix = weights.reshape(rows, columns)
    for height in HEIGHTS:
        high = -(-rows // height)
        blocks = packed_size(high * columns, 1)
        room = part.listed_within(below - blocks)
        if room < part.nonzeros:
            continue
        probe = min(rows, max(_PROBE // max(columns, 1) // height, 1) * height)
        likely = int(1.25 * room * probe / max(rows, 1)) + 16 * height
        if probe < rows and in_blocks(matrix[:probe], height, magnitude, likely) > likely:
            continue
        if in_blocks(matrix, height, magnitude, room) > room:
            continue
        entries = in_blocks(part.values.reshape(rows, columns), height, 0.0, part.size)
        yield Placing({"height": height}, (("blocks", "indices", blocks),), entries, entries > part.nonzeros)


def _alive(values: NDArray[np.float32], height: int) -> NDArray[np.bool_]:
    """Whether each block holds a survivor, [block rows, columns]."""
    matrix = values.reshape(values.shape[0], math.prod(values.shape[1:])) != 0
    missing = -matrix.shape[0] % height
    filled = np.pad(matrix, ((0, missing), (0, 0))) if missing else matrix
    return np.asarray(filled.reshape(len(filled) // height, height, matrix.shape[1]).any(axis=1), np.bool_)
