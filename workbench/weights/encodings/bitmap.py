"""Bitmap: one bit a weight says whether it is zero; the others are listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import packed_size
from workbench.kernels.sparse.stream import BITMAP
from workbench.weights.encoding import Convolution, Kernel, Plan, Stored
from workbench.weights.encodings._one_tensor import OneTensor, finite_values
from workbench.weights.encodings._stream import STREAMS, Positions, smallest_stream
from workbench.weights.part import Part
from workbench.weights.products import survivors_only
from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class Bitmap(OneTensor):
    """1 bit a weight and the non-zero ones in storage order, as float32, affine codes or codebook codes.

    bitmap: packed, the first weight in the lowest bit.
    """

    name = "bitmap"
    bitmap: NDArray[np.uint8]

    @classmethod
    def _plan(cls, part: Part) -> Plan:
        stream, _ = smallest_stream(part, part.nonzeros, zeros=False)
        facts, arrays = stream.plan(part, part.nonzeros, zeros=False)
        fields = {"shape": list(part.shape), "values": stream.kind, **facts}
        bitmap = ("bitmap", "indices", packed_size(part.size, 1))
        return Plan(fields, (bitmap, *arrays), (stream.kind != "float32",))

    @classmethod
    def _encode(cls, part: Part) -> Self:
        alive = part.values.reshape(-1) != 0
        positions = np.flatnonzero(alive)
        stream, _ = smallest_stream(part, positions.size, zeros=False)
        return cls(part.shape, stream.of(part, positions, zeros=False), np.packbits(alive, bitorder="little"))

    def _part(self) -> Part:
        return self.stream.part(self.shape, _positions(self.bitmap, self.shape))

    def _kernel(self, use: Convolution | None) -> Kernel:
        positions = _positions(self.bitmap, self.shape)
        return survivors_only(self.stream, self.bitmap, BITMAP, positions, self.shape, use)

    def arrays(self) -> tuple[Stored, ...]:
        return Stored("bitmap", "indices", self.bitmap), *self.stream.arrays()

    def fields(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "values": self.stream.kind, **self.stream.fields()}

    @classmethod
    def restore(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Self:
        reading = Reading(fields, arrays)
        shape = reading.shape()
        bitmap = reading.bits("bitmap", 1, int(np.prod(shape)))
        positions = _positions(bitmap, shape)
        stream = STREAMS[reading.choice("values", tuple(STREAMS))].restore(reading, shape, positions.size)
        reading.finish()
        restored = cls(shape, stream, bitmap)
        if np.count_nonzero(finite_values(restored)) != positions.size:
            raise FormatError("a weight that its bitmap marks as non-zero is zero")
        return restored


def _positions(bitmap: NDArray[np.uint8], shape: tuple[int, ...]) -> Positions:
    return np.flatnonzero(np.unpackbits(bitmap, count=int(np.prod(shape)), bitorder="little"))
