"""The table of a coder: which symbols occur, and a small number for each (a code length, a probability).

Byte 0 holds how the symbols are listed (low 4 bits) and the width of a number (high 4 bits), byte 1 the smallest
number. Then come the symbols, in whichever of three ways takes the fewest bytes: nothing where every one occurs; a bit
for each of the alphabet; or how many they are less one (2 bytes) and each, packed. Last the numbers less the smallest,
packed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.weights.coders import Bytes

_EVERY, _BITMAP, _LIST = range(3)
_HEAD = 2
_WIDEST = 8

Whole = NDArray[np.int64]


def write_table(symbols: Whole, numbers: Whole, alphabet: int) -> Bytes:
    """symbols: ascending, those that occur, at least one. numbers: of each, 0..255."""
    lowest = int(numbers.min())
    width = int(numbers.max() - lowest).bit_length()
    head = np.array([_listing(symbols.size, alphabet) | width << 4, lowest], np.uint8)
    return np.concatenate([head, _listed(symbols, alphabet), _packed(numbers - lowest, width)])


def read_table(table: Bytes, alphabet: int) -> tuple[Whole, Whole]:
    """Symbols and numbers again. Raises FormatError for anything that `write_table` could not have written."""
    if table.size < _HEAD:
        raise FormatError(f"a coding table of {table.size} bytes is too short")
    width = int(table[0]) >> 4
    symbols, start = _read_symbols(table, alphabet)
    if width > _WIDEST or table.size != start + (packed_size(symbols.size, width) if width else 0):
        raise FormatError(f"a coding table of {symbols.size} symbols does not take {table.size} bytes")
    numbers = np.full(symbols.size, table[1], np.int64)
    if width:
        numbers += unpack(table[start:], width, symbols.size)
    if numbers.max() > 255 or not np.array_equal(write_table(symbols, numbers, alphabet), table):
        raise FormatError("a coding table is not as it would have been written")
    return symbols, numbers


def _symbol_bits(alphabet: int) -> int:
    return max(1, (alphabet - 1).bit_length())


def _listing(occurring: int, alphabet: int) -> int:
    if occurring == alphabet:
        return _EVERY
    return _LIST if 2 + packed_size(occurring, _symbol_bits(alphabet)) < packed_size(alphabet, 1) else _BITMAP


def _listed(symbols: Whole, alphabet: int) -> Bytes:
    listing = _listing(symbols.size, alphabet)
    if listing == _EVERY:
        return np.zeros(0, np.uint8)
    if listing == _LIST:
        many = np.array([symbols.size - 1], "<u2").view(np.uint8)
        return np.concatenate([many, pack(symbols, _symbol_bits(alphabet))])
    occurs = np.zeros(alphabet, np.uint8)
    occurs[symbols] = 1
    return pack(occurs, 1)


def _read_symbols(table: Bytes, alphabet: int) -> tuple[Whole, int]:
    """The symbols, and where the numbers begin."""
    listing, symbols, stop = int(table[0]) & 15, np.arange(alphabet), _HEAD
    if listing == _BITMAP:
        stop += packed_size(alphabet, 1)
        if table.size >= stop:
            symbols = np.flatnonzero(unpack(table[_HEAD:stop], 1, alphabet))
    elif listing == _LIST and table.size >= _HEAD + 2:
        many = int(table[_HEAD]) + 256 * int(table[_HEAD + 1]) + 1
        stop += 2 + packed_size(many, _symbol_bits(alphabet))
        if table.size >= stop:
            symbols = unpack(table[_HEAD + 2 : stop], _symbol_bits(alphabet), many).astype(np.int64)
    elif listing != _EVERY:
        raise FormatError("a coding table does not say which symbols occur")
    if table.size < stop or symbols.size == 0 or symbols[-1] >= alphabet or (np.diff(symbols) <= 0).any():
        raise FormatError("a coding table does not list symbols of its alphabet")
    return symbols, stop


def _packed(numbers: Whole, width: int) -> Bytes:
    return pack(numbers, width) if width else np.zeros(0, np.uint8)
