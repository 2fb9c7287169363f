"""Relative index: each non-zero weight with the number of zeros since the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.kernels.sparse.gaps import WIDTHS, entries
from workbench.weights.encoding import Convolution, Kernel, Plan, Stored
from workbench.weights.encodings._one_tensor import OneTensor, finite_values
from workbench.weights.encodings._stream import STREAMS, Stream, smallest_stream
from workbench.weights.form import Form
from workbench.weights.part import Part
from workbench.weights.products import survivors_only
from workbench.weights.reading import MOST_WEIGHTS, Reading


@dataclass(frozen=True, eq=False)
class RelativeIndex(OneTensor):
    """A gap of a few bits and a value for each entry (Han, Mao, Dally, Deep Compression, ICLR 2016, section 2).

    Runs of zeros longer than a gap can say are bridged by filler entries, whose value is zero; they count as entries.
    The width of a gap, 2 to 8 bits, is the one that takes the fewest bytes.

    gap_bits: that width. count: entries, fillers included. gaps: packed.
    """

    name = "relative-index"
    gap_bits: int
    count: int
    gaps: NDArray[np.uint8]

    @classmethod
    def least(cls, form: Form) -> int:
        if form.factored:
            return 0
        (part,) = form.parts
        return packed_size(part.nonzeros, WIDTHS.start) + smallest_stream(part, part.nonzeros, zeros=False)[1]

    @classmethod
    def _plan(cls, part: Part) -> Plan:
        width, stream, count = _best(part)
        facts, arrays = stream.plan(part, count, zeros=count > part.nonzeros)
        fields = {"shape": list(part.shape), "gap_bits": width, "entries": count, "values": stream.kind, **facts}
        gaps = ("gaps", "indices", packed_size(count, width))
        return Plan(fields, (gaps, *arrays), (stream.kind != "float32",))

    @classmethod
    def _encode(cls, part: Part) -> Self:
        width, stream, count = _best(part)
        gaps, positions = entries(part.values, width)
        fillers = count > part.nonzeros
        return cls(part.shape, stream.of(part, positions, fillers), width, count, pack(gaps, width))

    def _part(self) -> Part:
        return self.stream.part(self.shape, self._positions())

    def _kernel(self, use: Convolution | None) -> Kernel:
        return survivors_only(self.stream, self.gaps, self.gap_bits, self._positions(), self.shape, use)

    def _positions(self) -> NDArray[np.int64]:
        return np.cumsum(unpack(self.gaps, self.gap_bits, self.count).astype(np.int64) + 1) - 1

    def arrays(self) -> tuple[Stored, ...]:
        return Stored("gaps", "indices", self.gaps), *self.stream.arrays()

    def fields(self) -> dict[str, Any]:
        facts = {"shape": list(self.shape), "gap_bits": self.gap_bits, "entries": self.count}
        return {**facts, "values": self.stream.kind, **self.stream.fields()}

    @classmethod
    def restore(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Self:
        reading = Reading(fields, arrays)
        shape = reading.shape()
        width = reading.integer("gap_bits", WIDTHS.start, WIDTHS.stop - 1)
        count = reading.integer("entries", 0, MOST_WEIGHTS)
        packed, gaps = reading.codes("gaps", width, count)
        if int(gaps.sum(dtype=np.int64)) + count > int(np.prod(shape)):
            raise FormatError("its gaps run past the last weight")
        stream = STREAMS[reading.choice("values", tuple(STREAMS))].restore(reading, shape, count)
        reading.finish()
        restored = cls(shape, stream, width, count, packed)
        zero = finite_values(restored).reshape(-1)[restored._positions()] == 0
        if (zero & (gaps != 2**width - 1)).any() or zero[-1:].any():
            raise FormatError("an entry that is not a filler is zero")
        return restored


def _best(part: Part) -> tuple[int, type[Stream], int]:
    """The gap width and stream that take the fewest bytes, the narrower gap of two that take the same; the entries."""
    best: tuple[int, type[Stream], int] | None = None
    least = 0
    for width, fillers in zip(WIDTHS, part.fillers, strict=True):
        count = part.nonzeros + fillers
        stream, nbytes = smallest_stream(part, count, zeros=fillers > 0)
        nbytes += packed_size(count, width)
        if best is None or nbytes < least:
            best, least = (width, stream, count), nbytes
        if fillers == 0:  # a wider gap only takes more
            break
    assert best is not None
    return best
