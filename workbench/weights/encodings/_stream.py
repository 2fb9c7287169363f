"""The values that an encoding lists one after another: plain float32, codes on a uniform grid, or codes in a table.

An encoding lists all weights of a tensor, or those at some positions. Zeros among them need a value of their own in the
stream: one that the grid has, or an entry 0.0 added to the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.kernels.lowbit.code_tiles import INPUTS
from workbench.kernels.sparse.stream import Listed
from workbench.weights.encoding import Stored
from workbench.weights.levels import Affine, Codebook, Codes, Floats, Granularity, Grouping, symmetric_zero_point
from workbench.weights.part import Part
from workbench.weights.reading import Reading

Positions = NDArray[np.int64]
Planned = tuple[tuple[str, str, int], ...]  # name, part and bytes of each array
_MOST_CENTROIDS = 256
_LARGEST_GROUP = 1024


class Stream(ABC):
    """Values in order. positions: places in the flattened tensor, or None for all of it."""

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def nbytes(cls, part: Part, entries: int, zeros: bool) -> int | None:
        """Bytes of `entries` values of `part`, or None where they do not fit. zeros: whether some are zero."""

    @classmethod
    @abstractmethod
    def plan(cls, part: Part, entries: int, zeros: bool) -> tuple[dict[str, Any], Planned]:
        """`fields` and `arrays` of what `of` would make, without making it; `nbytes` must not be None."""

    @classmethod
    @abstractmethod
    def of(cls, part: Part, positions: Positions | None, zeros: bool) -> Self:
        """The values of `part` at `positions`; `nbytes` must not be None."""

    @abstractmethod
    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        """The tensor again; zero wherever `positions` does not name it."""

    @abstractmethod
    def listed(self, shape: tuple[int, ...]) -> Listed:
        """The values as they are stored, those of a tensor of `shape`, for the kernels."""

    @abstractmethod
    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> lowbit.LowBit | None:
        """Every weight of the tensor as a code, for the kernels; None where they cannot take it so.

        positions: those listed, in the flattened tensor; the others are zero. None where all are listed.
        """

    @abstractmethod
    def arrays(self) -> tuple[Stored, ...]: ...

    @abstractmethod
    def fields(self) -> dict[str, Any]: ...

    @classmethod
    @abstractmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...], entries: int) -> Self:
        """Raises FormatError for what the stream could not have written."""


@dataclass(frozen=True, eq=False)
class FloatStream(Stream):
    """values: float32, one an entry. Levels are not kept."""

    kind: ClassVar[str] = "float32"
    values: Floats

    @classmethod
    def nbytes(cls, part: Part, entries: int, zeros: bool) -> int | None:
        return 4 * entries

    @classmethod
    def plan(cls, part: Part, entries: int, zeros: bool) -> tuple[dict[str, Any], Planned]:
        return {}, (("values", "codes", 4 * entries),)

    @classmethod
    def of(cls, part: Part, positions: Positions | None, zeros: bool) -> Self:
        return cls(_taken(part.values, positions))

    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        return Part.of(_placed(self.values, positions, np.zeros(shape, np.float32)))

    def listed(self, shape: tuple[int, ...]) -> Listed:
        return Listed(floats=self.values)

    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> None:
        return None

    def arrays(self) -> tuple[Stored, ...]:
        return (Stored("values", "codes", _as_bytes(self.values)),)

    def fields(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...], entries: int) -> Self:
        values = reading.floats("values", entries)
        if (np.signbit(values) & (values == 0)).any():
            raise FormatError("array 'values' holds a negative zero")
        return cls(values)


@dataclass(frozen=True, eq=False)
class AffineStream(Stream):
    """codes: packed, `levels.bits` each. Scales are stored as float32; zero points where the grid is not symmetric."""

    kind: ClassVar[str] = "affine"
    levels: Affine
    codes: NDArray[np.uint8]

    @classmethod
    def nbytes(cls, part: Part, entries: int, zeros: bool) -> int | None:
        levels = part.levels
        if not isinstance(levels, Affine) or not _is_storable(levels) or (zeros and not _zeros_on_grid(part, levels)):
            return None
        return packed_size(entries, levels.bits) + levels.scale.size * (4 + _zero_point_bytes(levels))

    @classmethod
    def plan(cls, part: Part, entries: int, zeros: bool) -> tuple[dict[str, Any], Planned]:
        levels = part.levels
        assert isinstance(levels, Affine)
        codes, scales = packed_size(entries, levels.bits), 4 * levels.scale.size
        arrays: Planned = (("codes", "codes", codes), ("scales", "scales", scales))
        if not levels.symmetric:
            arrays += (("zero_points", "scales", levels.scale.size * _zero_point_bytes(levels)),)
        return _affine_fields(levels), arrays

    @classmethod
    def of(cls, part: Part, positions: Positions | None, zeros: bool) -> Self:
        levels, codes = part.levels, part.codes
        assert isinstance(levels, Affine) and codes is not None
        if zeros:
            codes = np.where(part.values == 0, _spread(levels, levels.zero_codes, part.shape), codes)
        return cls(levels, pack(_taken(codes, positions), levels.bits))

    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        return Part.on_levels(self.levels, self._everywhere(positions, shape), _absent(shape, positions))

    def _everywhere(self, positions: Positions | None, shape: tuple[int, ...]) -> Codes:
        """The code of every weight; where none is listed, the one nearest to zero."""
        entries = int(np.prod(shape)) if positions is None else positions.size
        codes = np.empty(shape, np.uint8)
        codes[...] = _spread(self.levels, self.levels.zero_codes, shape)
        return _placed(unpack(self.codes, self.levels.bits, entries), positions, codes)

    def listed(self, shape: tuple[int, ...]) -> Listed:
        levels, points = self.levels, self.levels.zero_point
        group = levels.grouping.size if levels.grouping.runs_per_row(shape) > 1 else 0
        alike = points.size > 0 and bool((points == points[0]).all())
        if alike:
            return Listed(codes=self.codes, bits=levels.bits, scale=levels.scale, point=float(points[0]), group=group)
        if _zero_point_bytes(levels) == 1:
            points = points.astype(np.uint8)
        return Listed(codes=self.codes, bits=levels.bits, scale=levels.scale, points=points, group=group)

    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> lowbit.LowBit | None:
        levels = self.levels
        size = levels.grouping.size if levels.grouping.runs_per_row(shape) > 1 else 0
        if size % INPUTS or (positions is not None and not levels.all_have_zero):
            return None
        codes = self._everywhere(positions, shape).reshape(shape[0], -1)
        return lowbit.affine(codes, levels.bits, levels.scale, levels.zero_point, size=size)

    def arrays(self) -> tuple[Stored, ...]:
        stored = [Stored("codes", "codes", self.codes), Stored("scales", "scales", _as_bytes(self.levels.scale))]
        if not self.levels.symmetric:
            points = self.levels.zero_point
            narrow = _zero_point_bytes(self.levels) == 1
            stored.append(Stored("zero_points", "scales", points.astype(np.uint8) if narrow else _as_bytes(points)))
        return tuple(stored)

    def fields(self) -> dict[str, Any]:
        return _affine_fields(self.levels)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...], entries: int) -> Self:
        bits = reading.integer("bits", 1, 8)
        granularity: Granularity = reading.choice("granularity", get_args(Granularity))  # type: ignore[assignment]
        grouping = Grouping(granularity)
        if granularity == "group":
            grouping = Grouping(granularity, reading.integer("size", 1, _LARGEST_GROUP))
        groups = grouping.count(shape)
        scale = reading.floats("scales", groups)
        symmetric = reading.flag("symmetric")
        zero_point = np.full(groups, symmetric_zero_point(bits), np.float32)
        if not symmetric:
            narrow = reading.choice("zero_points", ("uint8", "float32")) == "uint8"
            zero_point = (
                reading.array("zero_points", groups).astype(np.float32)
                if narrow
                else reading.floats("zero_points", groups)
            )
        levels = Affine(bits, grouping, scale, zero_point, symmetric)
        if not symmetric and narrow != (_zero_point_bytes(levels) == 1):
            raise FormatError("its zero points are not of the type that they need")
        return cls(levels, reading.bits("codes", bits, entries))


@dataclass(frozen=True, eq=False)
class CodebookStream(Stream):
    """codes: packed, as many bits each as the stored table needs. zero_entry: whether an added 0.0 ends that table."""

    kind: ClassVar[str] = "codebook"
    levels: Codebook
    zero_entry: bool
    codes: NDArray[np.uint8]

    @classmethod
    def nbytes(cls, part: Part, entries: int, zeros: bool) -> int | None:
        if not isinstance(part.levels, Codebook):
            return None
        centroids = part.levels.centroids
        table = centroids.size + (zeros and not _has_zero(part.levels))
        if table > _MOST_CENTROIDS or centroids.size > 2**part.levels.bits:
            return None
        return packed_size(entries, _width(table)) + 4 * table

    @classmethod
    def plan(cls, part: Part, entries: int, zeros: bool) -> tuple[dict[str, Any], Planned]:
        levels = part.levels
        assert isinstance(levels, Codebook)
        zero_entry = zeros and not _has_zero(levels)
        table = levels.centroids.size + zero_entry
        arrays = ("codes", "codes", packed_size(entries, _width(table))), ("codebook", "codebooks", 4 * table)
        return _codebook_fields(levels, zero_entry), arrays

    @classmethod
    def of(cls, part: Part, positions: Positions | None, zeros: bool) -> Self:
        levels, codes = part.levels, part.codes
        assert isinstance(levels, Codebook) and codes is not None
        zero_entry = zeros and not _has_zero(levels)
        if zeros:
            code = levels.centroids.size if zero_entry else _zero_code(levels)
            codes = np.where(part.values == 0, np.uint8(code), codes)
        return cls(levels, zero_entry, _packed(_taken(codes, positions), _width(levels.centroids.size + zero_entry)))

    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        entries = int(np.prod(shape)) if positions is None else positions.size
        codes = _placed(self._unpacked(entries), positions, np.full(shape, _zero_code(self.levels), np.uint8))
        zero = _absent(shape, positions)
        if self.zero_entry:
            added = codes == self.levels.centroids.size
            codes, zero = np.where(added, np.uint8(0), codes), zero | added
        return Part.on_levels(self.levels, codes, zero)

    def listed(self, shape: tuple[int, ...]) -> Listed:
        table = self._table()
        return Listed(codes=self.codes, bits=_width(table.size), table=table)

    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> lowbit.LowBit | None:
        table = self._table()
        zeros = np.flatnonzero(table == 0)
        if not 1 <= table.size <= _MOST_CENTROIDS or (positions is not None and not zeros.size):
            return None
        entries = int(np.prod(shape)) if positions is None else positions.size
        elsewhere = np.full(shape, zeros[0] if zeros.size else 0, np.uint8)
        codes = _placed(self._unpacked(entries), positions, elsewhere).reshape(shape[0], -1)
        return lowbit.codebook(codes, max(_width(table.size), 1), table)

    def _table(self) -> Floats:
        """The stored table: the centroids, and the added zero."""
        return np.append(self.levels.centroids, np.zeros(int(self.zero_entry), np.float32))

    def _unpacked(self, entries: int) -> Codes:
        width = _width(self.levels.centroids.size + self.zero_entry)
        return unpack(self.codes, width, entries) if width else np.zeros(entries, np.uint8)

    def arrays(self) -> tuple[Stored, ...]:
        return Stored("codes", "codes", self.codes), Stored("codebook", "codebooks", _as_bytes(self._table()))

    def fields(self) -> dict[str, Any]:
        return _codebook_fields(self.levels, self.zero_entry)

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...], entries: int) -> Self:
        bits = reading.integer("bits", 1, 8)
        size = reading.integer("centroids", 0, 2**bits)
        zero_entry = reading.flag("zero_entry")
        table = size + zero_entry
        if table > _MOST_CENTROIDS or (entries and not table):
            raise FormatError(f"a table of {table} values cannot hold its weights")
        values = reading.floats("codebook", table)
        centroids = values[:size]
        if zero_entry and (values[size:].view(np.uint32).any() or (centroids == 0).any()):
            raise FormatError("the added last entry of the table must be the only zero in it")
        width = _width(table)
        packed, codes = reading.codes("codes", width, entries) if width else (reading.array("codes", 0), None)
        if codes is not None and codes.size and codes.max() >= table:
            raise FormatError(f"code {codes.max()} is outside the table of {table} values")
        return cls(Codebook(bits, centroids), zero_entry, packed)


STREAMS: dict[str, type[Stream]] = {one.kind: one for one in (FloatStream, AffineStream, CodebookStream)}


def smallest_stream(part: Part, entries: int, zeros: bool) -> tuple[type[Stream], int]:
    """The stream that takes the fewest bytes, and these; the one that keeps the levels where two take the same."""
    stream: type[Stream] = FloatStream
    least = 4 * entries
    if part.levels is not None:
        levelled = AffineStream if isinstance(part.levels, Affine) else CodebookStream
        nbytes = levelled.nbytes(part, entries, zeros)
        if nbytes is not None and nbytes <= least:
            stream, least = levelled, nbytes
    return stream, least


def _affine_fields(levels: Affine) -> dict[str, Any]:
    fields: dict[str, Any] = {"bits": levels.bits, "granularity": levels.grouping.granularity}
    if levels.grouping.granularity == "group":
        fields["size"] = levels.grouping.size
    fields["symmetric"] = levels.symmetric
    if not levels.symmetric:
        fields["zero_points"] = "uint8" if _zero_point_bytes(levels) == 1 else "float32"
    return fields


def _codebook_fields(levels: Codebook, zero_entry: bool) -> dict[str, Any]:
    return {"bits": levels.bits, "centroids": levels.centroids.size, "zero_entry": zero_entry}


def _width(table: int) -> int:
    """Bits of a code into a table: 0 where there is nothing to choose."""
    return max(table - 1, 0).bit_length()


def _packed(codes: Codes, width: int) -> NDArray[np.uint8]:
    return pack(codes, width) if width else np.empty(0, np.uint8)


def _taken(values: NDArray[Any], positions: Positions | None) -> NDArray[Any]:
    flat = np.ascontiguousarray(values).reshape(-1)
    return flat if positions is None else flat[positions]


def _placed(entries: NDArray[Any], positions: Positions | None, background: NDArray[Any]) -> NDArray[Any]:
    if positions is None:
        return entries.reshape(background.shape)
    background.reshape(-1)[positions] = entries
    return background


def _absent(shape: tuple[int, ...], positions: Positions | None) -> NDArray[np.bool_]:
    """True where `positions` does not name a weight."""
    if positions is None:
        return np.zeros(shape, bool)
    absent = np.ones(shape, bool)
    absent.reshape(-1)[positions] = False
    return absent


def _as_bytes(values: Floats) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values, "<f4").view(np.uint8)


def _is_storable(levels: Affine) -> bool:
    """Whether a file can say it: groups are not too large, a symmetric grid's zero points follow from its width."""
    grouping = levels.grouping
    if grouping.granularity == "group" and not 1 <= grouping.size <= _LARGEST_GROUP:
        return False
    return not levels.symmetric or levels.centred


def _zero_point_bytes(levels: Affine) -> int:
    """Bytes of one stored zero point: none, one where all are whole numbers that fit, else four."""
    if levels.symmetric:
        return 0
    return 1 if levels.bits > 1 and levels.whole else 4


def _spread(levels: Affine, per_group: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """`per_group` laid out to broadcast against the weights, of whatever type it is."""
    return levels.grouping.spread(per_group, shape)


def _zeros_on_grid(part: Part, levels: Affine) -> bool:
    """Whether every zero of `part` lies in a group whose grid has a level at zero."""
    if levels.all_have_zero:
        return True
    has_zero = levels.has_zero
    if not has_zero.any():
        return part.nonzeros == part.size
    without = np.broadcast_to(_spread(levels, ~has_zero, part.shape), part.shape)
    return not ((part.values == 0) & without).any()


def _has_zero(levels: Codebook) -> bool:
    return bool((levels.centroids == 0).any())


def _zero_code(levels: Codebook) -> int:
    """The code of the table's first zero, or 0 where it has none."""
    found = np.flatnonzero(levels.centroids == 0)
    return int(found[0]) if found.size else 0
