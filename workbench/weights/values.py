"""The values that an encoding lists one after another: plain float32, or codes on the levels that the weights lie on.

An encoding lists all weights of a tensor, or those at some positions. Zeros among them need a code of their own: one
that the levels have, or one that is added to them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.kernels.lowbit.weights import LowBit
from workbench.kernels.sparse.stream import Listed
from workbench.weights.arrays import Bytes, Codes, Floats, Planned, Positions, has_negative_zeros
from workbench.weights.encoding import Convolution, Kernel
from workbench.weights.levels import LEVELS, Levels
from workbench.weights.part import Part
from workbench.weights.places import Placing
from workbench.weights.reading import Reading
from workbench.weights.stored import Stored, as_bytes

FLOAT32 = "float32"


class Values(ABC):
    """Values in order. positions: places in the flattened tensor, or None for all of it."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """What a file calls them: "float32" or the kind of the levels."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of one weight, 32 for float32."""

    @abstractmethod
    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        """The tensor again; zero wherever `positions` does not name it."""

    @abstractmethod
    def listed(self, shape: tuple[int, ...]) -> Listed | None:
        """The values as they are stored, those of a tensor of `shape`, for the kernels; None where they cannot."""

    @abstractmethod
    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> LowBit | None:
        """Every weight of the tensor as a code, for the kernels; None where they cannot take it so."""

    def multiplied(
        self, entering: Levels, shape: tuple[int, ...], positions: Positions | None, use: Convolution | None
    ) -> Kernel | None:
        """All weights of the tensor with inputs on levels of their own; see `Levels.multiplied`."""
        return None

    @abstractmethod
    def words(self) -> tuple[int, NDArray[Any] | None]:
        """Bits of a stored word, and every word as a whole number; None where a word is not one weight."""

    def grid(self, shape: tuple[int, ...]) -> tuple[Floats, Floats] | None:
        """Scale and zero point of each output of a tensor of `shape`; see `Levels.grid`."""
        return None

    @abstractmethod
    def arrays(self) -> tuple[Stored, ...]: ...

    @abstractmethod
    def fields(self) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False)
class FloatValues(Values):
    """values: float32, one an entry. Levels are not kept."""

    kind: ClassVar[str] = FLOAT32
    bits: ClassVar[int] = 32
    values: Floats  # without negative zeros

    @classmethod
    def of(cls, part: Part, positions: Positions | None) -> FloatValues:
        return cls(_taken(part.values, positions))

    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        return Part(_placed(self.values, positions, np.zeros(shape, np.float32)))

    def listed(self, shape: tuple[int, ...]) -> Listed:
        return Listed(floats=self.values)

    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> None:
        return None

    def words(self) -> tuple[int, NDArray[Any]]:
        return 32, self.values.view(np.uint32)

    def arrays(self) -> tuple[Stored, ...]:
        return (Stored("values", "codes", as_bytes(self.values)),)

    def fields(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, reading: Reading, entries: int) -> FloatValues:
        """Raises FormatError for what could not have been written."""
        values = reading.floats("values", entries)
        if has_negative_zeros(values):
            raise FormatError("array 'values' holds a negative zero")
        return cls(values)


@dataclass(frozen=True, eq=False)
class CodedValues(Values):
    """levels: those of the part, with a code for zeros where it needs one. codes: packed, `levels.stored_bits` each.

    entries: how many codes.
    """

    levels: Levels
    codes: Bytes
    entries: int

    @property
    def kind(self) -> str:
        return self.levels.kind

    @property
    def bits(self) -> int:
        return self.levels.bits

    @classmethod
    def of(cls, part: Part, positions: Positions | None, levels: Levels) -> CodedValues:
        codes = part.codes
        assert codes is not None
        codes = codes.astype(levels.code_type, copy=False)
        if part.nonzeros < part.size and levels.code_per_weight:
            codes = np.where(part.values == 0, levels.zero_codes(part.shape), codes)
        listed = _taken(codes, positions)
        return cls(levels, _packed(listed, levels.stored_bits), listed.size)

    def part(self, shape: tuple[int, ...], positions: Positions | None) -> Part:
        levels, codes, added = self.levels.without_added_zero(self._everywhere(shape, positions))
        zero = _absent(shape, positions)
        return Part.on_levels(levels, codes, zero if added is None else zero | added)

    def listed(self, shape: tuple[int, ...]) -> Listed | None:
        return self.levels.listed(self.codes, shape)

    def low_bit(self, shape: tuple[int, ...], positions: Positions | None) -> LowBit | None:
        if not self.levels.code_per_weight or self.levels.stored_bits > 8:
            return None
        codes = self._everywhere(shape, positions).reshape(shape[0], math.prod(shape[1:]))
        return self.levels.low_bit(codes, zeros=positions is not None)

    def multiplied(
        self, entering: Levels, shape: tuple[int, ...], positions: Positions | None, use: Convolution | None
    ) -> Kernel | None:
        if not self.levels.code_per_weight or self.levels.stored_bits > 8:
            return None
        codes = self._everywhere(shape, positions)
        if positions is not None and self.levels.decode(codes)[_absent(shape, positions)].any():
            return None  # no code stands for the zeros that are not listed
        return entering.multiplied(self.levels, codes, shape, use)

    def _everywhere(self, shape: tuple[int, ...], positions: Positions | None) -> Codes:
        """The code of every weight; where none is listed, the one of zero or nearest to it."""
        coded = self.levels.code_shape(shape)
        codes = _unpacked(self.codes, self.levels.stored_bits, self.entries, self.levels.code_type)
        if positions is None:
            return codes.reshape(coded)
        background = np.empty(shape, self.levels.code_type)
        background[...] = self.levels.zero_codes(shape)
        return _placed(codes, positions, background)

    def words(self) -> tuple[int, NDArray[Any] | None]:
        width = self.levels.stored_bits
        known = self.levels.code_per_weight
        return width, _unpacked(self.codes, width, self.entries, self.levels.code_type) if known else None

    def grid(self, shape: tuple[int, ...]) -> tuple[Floats, Floats] | None:
        return self.levels.grid(shape)

    def arrays(self) -> tuple[Stored, ...]:
        return Stored("codes", "codes", self.codes, self.levels.stored_bits, self.entries), *self.levels.tables()

    def fields(self) -> dict[str, Any]:
        return self.levels.facts()

    @classmethod
    def restore(cls, kind: str, reading: Reading, shape: tuple[int, ...], entries: int | None) -> CodedValues:
        """Raises FormatError for what could not have been written."""
        levels = LEVELS[kind].restore(reading, shape)
        coded = levels.code_shape(shape)
        if not levels.code_per_weight and entries is not None:
            raise FormatError(f"values of kind {kind!r} are listed for every weight")
        entries = math.prod(coded) if entries is None else entries
        width, highest = levels.stored_bits, levels.highest_code
        if entries and highest < 0:
            raise FormatError("a table of 0 values cannot hold its weights")
        packed = reading.bits("codes", width, entries) if width else reading.array("codes", 0)
        if width and highest < 2**width - 1:
            codes = _unpacked(packed, width, entries, levels.code_type)
            if codes.size and int(codes.max()) > highest:
                raise FormatError(f"code {codes.max()} is outside the table of {highest + 1} values")
        return cls(levels, packed, entries)


@dataclass(frozen=True)
class ValuesPlan:
    """So many entries of a part, as they are stored. levels: that they are codes on; None for float32."""

    entries: int
    levels: Levels | None = None

    @property
    def kind(self) -> str:
        return FLOAT32 if self.levels is None else self.levels.kind

    @property
    def nbytes(self) -> int:
        if self.levels is None:
            return 4 * self.entries
        return packed_size(self.entries, self.levels.stored_bits) + self.levels.table_bytes

    @property
    def fields(self) -> dict[str, Any]:
        return {} if self.levels is None else self.levels.facts()

    @property
    def arrays(self) -> Planned:
        if self.levels is None:
            return (("values", "codes", self.nbytes),)
        codes = packed_size(self.entries, self.levels.stored_bits)
        return ("codes", "codes", codes), *((table.name, table.part, table.data.size) for table in self.levels.tables())

    def of(self, part: Part, positions: Positions | None) -> Values:
        """The values themselves."""
        if self.levels is None:
            return FloatValues.of(part, positions)
        return CodedValues.of(part, positions, self.levels)


def planned_codes(part: Part, placing: Placing) -> ValuesPlan | None:
    """None where `part` has no levels, or where a file cannot say them at such places."""
    levels = part.levels
    if levels is None or not levels.storable:
        return None
    if not levels.code_per_weight and not placing.every:
        return None
    held = levels.with_zeros(part) if placing.zeros else levels
    if held is None or (held is not levels and not held.storable):
        return None
    return ValuesPlan(math.prod(levels.code_shape(part.shape)) if placing.every else placing.entries, held)


def smallest_values(part: Part, placing: Placing) -> ValuesPlan:
    """The values that take the fewest bytes; those that keep the levels where two take the same."""
    codes = planned_codes(part, placing)
    return codes if codes is not None and codes.nbytes <= 4 * placing.entries else ValuesPlan(placing.entries)


def restored(kind: str, reading: Reading, shape: tuple[int, ...], entries: int | None) -> Values:
    """entries: how many are listed, None for every weight. Raises FormatError for what could not have been written."""
    if kind == FLOAT32:
        return FloatValues.restore(reading, math.prod(shape) if entries is None else entries)
    return CodedValues.restore(kind, reading, shape, entries)


def _packed(codes: Codes, width: int) -> Bytes:
    return pack(codes, width) if width else np.empty(0, np.uint8)


def _unpacked(packed: Bytes, width: int, entries: int, code_type: type) -> Codes:
    return unpack(packed, width, entries) if width else np.zeros(entries, code_type)


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
