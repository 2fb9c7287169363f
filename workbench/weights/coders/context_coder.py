"""Context coding: each weight by what is known of its neighbours, its row and its column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.errors import FormatError
from workbench.kernels.coding import context_mixing
from workbench.weights.coders import Bytes, Coder, Counts, Symbols, counted, symbol_type, taken
from workbench.weights.stored import Stored, as_bytes

_LEAST = -np.log2(context_mixing.MOST_LIKELY)  # bits that an answer takes


@dataclass(frozen=True)
class ContextCoder(Coder):
    """Adaptive context mixing before a binary arithmetic coder (Mahoney 2005; its use for the zeros of weights: Marban,
    Becking, Wiedemann, Samek, Learning sparse and ternary neural networks with entropy-constrained trained
    ternarization, 2020, and DeepCABAC, Wiedemann et al. 2019).

    It takes all weights of a matrix, zeros among them, so that nothing is said of places. There is no table: the model
    learns from what was coded. The first byte, or two of an alphabet beyond 256, is the most frequent symbol.
    """

    names = ("codes",)
    matrix = True

    def sizes(self, counts: Counts) -> None:
        return None

    def least(self, counts: Counts) -> int:
        return 0

    def encode(self, symbols: Symbols, alphabet: int, columns: int = 0) -> tuple[Stored, ...]:
        counts = counted(symbols, alphabet)
        codes = np.zeros(0, np.uint8)
        if symbols.size:
            usual = int(counts.argmax())
            mixed = context_mixing.encode(symbols, columns or symbols.size, usual, _width(alphabet))
            codes = np.concatenate([as_bytes(np.array([usual], symbol_type(alphabet))), mixed])
        return (Stored("codes", "codes", codes),)

    def decode(self, arrays: Mapping[str, Bytes], count: int, alphabet: int, columns: int = 0) -> Symbols:
        codes, kind = taken(arrays, "codes"), symbol_type(alphabet)
        head = np.dtype(kind).itemsize if count else 0
        if codes.size < head or count * _LEAST > 8 * codes.size + 64:  # before room for them is taken
            raise FormatError(f"a context coder's stream of {codes.size} bytes does not hold {count} symbols")
        symbols = np.empty(0, kind)
        if count:
            usual = int.from_bytes(codes[:head].tobytes(), "little")
            if usual >= alphabet:
                raise FormatError(f"a context coder's symbol {usual} is outside of an alphabet of {alphabet}")
            found = context_mixing.decode(codes[head:], count, columns or count, usual, _width(alphabet))
            if int(found.max()) >= alphabet:
                raise FormatError(f"a context coder's stream holds symbols outside of an alphabet of {alphabet}")
            symbols = found.astype(kind)
        if not np.array_equal(self.encode(symbols, alphabet, columns)[0].data, codes):
            raise FormatError("a context coder's stream is not as it would have been written")
        return symbols


def _width(alphabet: int) -> int:
    return max((alphabet - 1).bit_length(), 1)
