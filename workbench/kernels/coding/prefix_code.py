"""Prefix codes: the shortest code lengths, and canonical code words written and read, the highest bit first.

In a canonical code the words of one length are consecutive numbers, in the order of their symbols, and a longer word is
a larger number than the first bits of any shorter one. So the lengths alone say the whole code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit

LONGEST = 24  # bits of a code word; 2^24 words are enough for any alphabet here
_LOOKED_UP = 12  # bits that one look into the table takes; words that are longer are searched by their length

Bytes = NDArray[np.uint8]
Symbols = NDArray[Any]  # uint8, or uint16
Counts = NDArray[np.int64]
Lengths = NDArray[np.int64]


def code_lengths(counts: Counts, longest: int = LONGEST) -> Lengths:
    """Bits of each symbol's word, [symbols], so that all take the fewest together with none above `longest`.

    counts: int64 [symbols], how often each occurs, all above 0. One symbol alone has a word of no bits.
    Package-merge (Larmore, Hirschberg, A fast algorithm for optimal length-limited Huffman codes, JACM 1990): where no
    limit is met these are the lengths of Huffman 1952. Raises ValueError where the words are too few.
    """
    if counts.size and int(counts.min()) < 1:
        raise ValueError("Only symbols that occur have a code word.")
    if counts.size > 2**longest:
        raise ValueError(f"{counts.size} symbols have no code words of at most {longest} bits.")
    if counts.size < 2:
        return np.zeros(counts.size, np.int64)
    order = np.argsort(counts, kind="stable")
    lengths = np.empty(counts.size, np.int64)
    lengths[order] = _package_merge(np.ascontiguousarray(counts[order], np.int64), min(longest, counts.size - 1))
    return lengths


@dataclass(frozen=True, eq=False)
class PrefixCode:
    """A complete canonical code over the symbols 0..n-1.

    lengths: int64 [n] of 0 to `LONGEST`, 0 for symbols without a word; of one symbol alone there is nothing to write.
    """

    lengths: Lengths

    @property
    def complete(self) -> bool:
        """Whether every run of bits is one run of words: the Kraft sum of the words is exactly 1."""
        used = self.lengths[self.lengths > 0]
        return bool((2 ** (LONGEST - used)).sum() == 2**LONGEST)

    @property
    def _ordered(self) -> NDArray[np.uint16]:
        """Symbols in the order of their words."""
        used = np.flatnonzero(self.lengths)
        return used[np.argsort(self.lengths[used], kind="stable")].astype(np.uint16)

    def _by_length(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """By length 0 to `LONGEST`: the first word, and how many there are."""
        words = np.bincount(self.lengths, minlength=LONGEST + 1).astype(np.int64)
        words[0] = 0
        first = np.zeros(LONGEST + 1, np.int64)
        for length in range(1, LONGEST + 1):
            first[length] = (first[length - 1] + words[length - 1]) << 1
        return first, words

    def write(self, symbols: Symbols, nbits: int) -> Bytes:
        """The words of `symbols` [m], which take `nbits` bits, as bytes [ceil(nbits / 8)]; unused last bits are 0."""
        first, words = self._by_length()
        ordered = self._ordered
        of_word = self.lengths[ordered]
        place = np.arange(ordered.size) - (np.cumsum(words) - words)[of_word]
        codes = np.zeros(self.lengths.size, np.uint64)
        codes[ordered] = first[of_word] + place
        stream = np.zeros((nbits + 7) // 8, np.uint8)
        _write(np.ascontiguousarray(symbols).reshape(-1), codes, self.lengths, stream)
        return stream

    def read(self, stream: Bytes, symbols: Symbols) -> int:
        """Fills `symbols` [m] and returns the bits that they took; behind its end a stream is read as zeros.

        The code must be complete and have words, and `symbols` be of a type that holds them.
        """
        first, words = self._by_length()
        ordered = self._ordered
        width = int(min(self.lengths.max(), _LOOKED_UP))
        of_word = self.lengths[ordered]
        short = of_word <= width
        entries = ordered[short].astype(np.uint32) << np.uint32(8) | of_word[short].astype(np.uint32)
        table = np.zeros(2**width, np.uint32)
        found = np.repeat(entries, 2 ** (width - of_word[short]))
        table[: found.size] = found
        stream = np.ascontiguousarray(stream, np.uint8).reshape(-1)
        return int(_read(stream, table, width, first, words, np.cumsum(words) - words, ordered, symbols))


@jit
def _package_merge(counts, longest):  # type: ignore[no-untyped-def]
    """counts: ascending, at least two. `leaf` says of each level's cheapest items which are symbols, not packages."""
    leaves = counts.size
    leaf = np.zeros((longest, 2 * leaves), np.bool_)
    packages = np.empty(leaves, np.int64)
    merged = np.empty(2 * leaves, np.int64)
    paired = 0
    for level in range(longest):
        taken, opened = 0, 0
        total = leaves + paired
        for item in range(total):
            is_leaf = opened == paired or (taken < leaves and counts[taken] <= packages[opened])
            leaf[level, item] = is_leaf
            if is_leaf:
                merged[item] = counts[taken]
                taken += 1
            else:
                merged[item] = packages[opened]
                opened += 1
        paired = total // 2
        for package in range(paired):
            packages[package] = merged[2 * package] + merged[2 * package + 1]
    lengths = np.zeros(leaves, np.int64)
    items = 2 * leaves - 2
    for level in range(longest - 1, -1, -1):
        taken = 0
        for item in range(items):
            taken += leaf[level, item]
        for symbol in range(taken):
            lengths[symbol] += 1
        items = 2 * (items - taken)
    return lengths


@jit
def _write(symbols, codes, lengths, stream):  # type: ignore[no-untyped-def]
    word, held, at = np.uint64(0), 0, 0
    for i in range(symbols.size):
        symbol = symbols[i]
        length = lengths[symbol]
        word = (word << np.uint64(length)) | codes[symbol]
        held += length
        while held >= 8:
            held -= 8
            stream[at] = np.uint8((word >> np.uint64(held)) & np.uint64(255))
            at += 1
    if held:
        stream[at] = np.uint8((word << np.uint64(8 - held)) & np.uint64(255))


@jit
def _read(stream, table, width, first, words, before, ordered, symbols):  # type: ignore[no-untyped-def]
    """before: words that are shorter, by length. The next bits stand at the top of `word`."""
    word, held, at, taken = np.uint64(0), np.int64(0), 0, np.int64(0)
    for i in range(symbols.size):
        while held <= 56:
            if at < stream.size:
                word |= np.uint64(stream[at]) << np.uint64(56 - held)
            at += 1
            held += 8
        entry = np.int64(table[np.int64(word >> np.uint64(64 - width))])
        length = entry & 255
        if length:
            symbols[i] = entry >> 8
        else:
            length = width + 1
            place = np.int64(word >> np.uint64(64 - length)) - first[length]
            while place >= words[length]:
                length += 1
                place = np.int64(word >> np.uint64(64 - length)) - first[length]
            symbols[i] = ordered[before[length] + place]
        word <<= np.uint64(length)
        held -= length
        taken += length
    return taken
