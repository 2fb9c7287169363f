"""Every symbol in as many bits as the alphabet needs: what the other coders are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.weights.coders import Bytes, Coder, Counts, Sizes, Symbols, counted, symbol_type, taken
from workbench.weights.stored import Stored


@dataclass(frozen=True)
class FixedWidth(Coder):
    """Symbols of ceil(log2(alphabet)) bits one behind the other; an alphabet of one symbol takes no bytes."""

    def sizes(self, counts: Counts) -> Sizes:
        return (("codes", "codes", packed_size(int(counts.sum()), _bits(counts.size))),)

    def least(self, counts: Counts) -> int:
        return packed_size(int(counts.sum()), _bits(counts.size))

    def encode(self, symbols: Symbols, alphabet: int) -> tuple[Stored, ...]:
        counted(symbols, alphabet)
        bits = _bits(alphabet)
        return (Stored("codes", "codes", pack(symbols if bits else symbols[:0], max(1, bits))),)

    def decode(self, arrays: Mapping[str, Bytes], count: int, alphabet: int) -> Symbols:
        codes, bits = taken(arrays, "codes"), _bits(alphabet)
        if codes.size != packed_size(count, bits):
            raise FormatError(f"{count} symbols of {bits} bits do not take {codes.size} bytes")
        used = count * bits % 8
        if used and codes[-1] >> used:
            raise FormatError("bits are set after the last symbol")
        symbols = unpack(codes, max(1, bits), count if bits else 0)
        if not bits:
            return np.zeros(count, symbol_type(alphabet))
        if count and int(symbols.max()) >= alphabet:
            raise FormatError(f"symbol {int(symbols.max())} is outside of an alphabet of {alphabet}")
        return symbols.astype(symbol_type(alphabet), copy=False)


def _bits(alphabet: int) -> int:
    return (alphabet - 1).bit_length()
