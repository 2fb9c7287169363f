"""Huffman codes, as in the third stage of Deep Compression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.errors import FormatError
from workbench.kernels.coding.prefix_code import LONGEST, Lengths, PrefixCode, code_lengths
from workbench.weights.coders import Bytes, Coder, Counts, Sizes, Symbols, counted, symbol_type, taken
from workbench.weights.coders._table import read_table, write_table
from workbench.weights.stored import Stored


@dataclass(frozen=True)
class Huffman(Coder):
    """The shortest prefix code of the symbols' counts (Huffman, A method for the construction of minimum-redundancy
    codes, Proc. IRE 1952; for weights: Han, Mao, Dally, Deep Compression, ICLR 2016, section 4).

    Less than one bit a symbol above the entropy. Where one symbol is all there is, the table alone says it. Words have
    at most 24 bits.
    """

    def sizes(self, counts: Counts) -> Sizes:
        table, lengths = _table(counts)
        nbits = int(counts @ lengths)
        return (("coding-table", "codebooks", table.size), ("codes", "codes", (nbits + 7) // 8))

    def least(self, counts: Counts) -> int:
        return sum([nbytes for _, _, nbytes in self.sizes(counts)])

    def encode(self, symbols: Symbols, alphabet: int, columns: int = 0) -> tuple[Stored, ...]:
        counts = counted(symbols, alphabet)
        table, lengths = _table(counts)
        codes = PrefixCode(lengths).write(symbols, int(counts @ lengths))
        return (Stored("coding-table", "codebooks", table), Stored("codes", "codes", codes))

    def decode(self, arrays: Mapping[str, Bytes], count: int, alphabet: int, columns: int = 0) -> Symbols:
        table, codes = taken(arrays, "coding-table"), taken(arrays, "codes")
        symbols = np.empty(0, symbol_type(alphabet))
        if count == 0 and table.size == 0 and codes.size == 0:
            return symbols
        occurring, numbers = read_table(table, alphabet)
        if occurring.size == 1 and numbers[0] == 0 and codes.size == 0 and count:
            return np.full(count, occurring[0], symbols.dtype)
        code = _code(occurring, numbers, alphabet)
        if not occurring.size <= count <= 8 * codes.size:  # before room for a forged count is taken
            raise FormatError(f"a Huffman stream of {codes.size} bytes does not hold {count} symbols")
        symbols = np.empty(count, symbols.dtype)
        nbits = code.read(codes, symbols)
        if (nbits + 7) // 8 != codes.size:
            raise FormatError(f"{count} symbols of a Huffman stream take {nbits} bits, not {codes.size} bytes")
        if nbits % 8 and codes[-1] & (255 >> nbits % 8):
            raise FormatError("bits are set after the last word of a Huffman stream")
        return symbols


def _table(counts: Counts) -> tuple[Bytes, Lengths]:
    """The stored table, and the bits of each symbol's word, 0 for those that do not occur."""
    occurring = np.flatnonzero(counts)
    lengths = np.zeros(counts.size, np.int64)
    if occurring.size == 0:
        return np.zeros(0, np.uint8), lengths
    lengths[occurring] = code_lengths(counts[occurring])
    return write_table(occurring, lengths[occurring], counts.size), lengths


def _code(occurring: Lengths, numbers: Lengths, alphabet: int) -> PrefixCode:
    lengths = np.zeros(alphabet, np.int64)
    lengths[occurring] = numbers
    if not 1 <= numbers.min() <= numbers.max() <= LONGEST or not PrefixCode(lengths).complete:
        raise FormatError("the lengths of a Huffman table make no complete prefix code")
    return PrefixCode(lengths)
