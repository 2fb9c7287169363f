"""Range coding with the library constriction: within a few bytes of the entropy, whatever the counts are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.weights.coders import Bytes, Coder, Counts, Symbols, counted, symbol_type, taken
from workbench.weights.coders._table import Whole, read_table, write_table
from workbench.weights.stored import Stored, as_bytes

# A probability is stored as eighths of a halving, which costs 0.0005 bits a symbol. 2^16 · 2^(-k/8), written out: a
# power that the processor's library takes may differ in its last bit elsewhere, and the stream would be read as
# something else.
_EIGHTHS = np.array([65536, 60097, 55109, 50535, 46341, 42495, 38968, 35734], np.float64)
_RAREST = 8 * 24  # the library works with probabilities of 24 bits
_AT_ONCE = 2**20  # symbols handed over together: the library takes int32 and no other type


@dataclass(frozen=True)
class RangeCoder(Coder):
    """A static model of the symbols' probabilities, stored beside the stream (Martin, Range encoding, 1979).

    Only symbols that occur are in the model. Where one symbol is all there is, the table alone says it: the library
    takes no model of one symbol. The stream is whole words of 32 bits; how many, only encoding tells.
    """

    def sizes(self, counts: Counts) -> None:
        return None

    def least(self, counts: Counts) -> int:
        """The table and the entropy, less the 64 bits that the coder's state can hold back."""
        occurring = np.flatnonzero(counts)
        if occurring.size == 0:
            return 0
        table = write_table(occurring, _rarities(counts[occurring]), counts.size)
        often = counts[occurring]
        nbits = float(often @ (np.log2(often.sum()) - np.log2(often)))
        return table.size + max(0, int(nbits / 8) - 8)

    def encode(self, symbols: Symbols, alphabet: int, columns: int = 0) -> tuple[Stored, ...]:
        counts = counted(symbols, alphabet)
        occurring = np.flatnonzero(counts)
        table = stream = np.zeros(0, np.uint8)
        if occurring.size:
            rarities = _rarities(counts[occurring])
            table = write_table(occurring, rarities, alphabet)
            stream = _encoded(symbols.reshape(-1), occurring, rarities, alphabet)
        return (Stored("coding-table", "codebooks", table), Stored("codes", "codes", stream))

    def decode(self, arrays: Mapping[str, Bytes], count: int, alphabet: int, columns: int = 0) -> Symbols:
        table, stream = taken(arrays, "coding-table"), taken(arrays, "codes")
        kind = symbol_type(alphabet)
        if count == 0 and table.size == 0 and stream.size == 0:
            return np.empty(0, kind)
        occurring, rarities = read_table(table, alphabet)
        if count < occurring.size or rarities.min() != 0 or rarities.max() > _RAREST or stream.size % 4:
            raise FormatError(f"a range coder's table and stream do not hold {count} symbols")
        weights = _weights(rarities)
        if count * np.log2(weights.sum() / weights.max()) > 8 * stream.size + 64:  # before room for them is taken
            raise FormatError(f"a range coder's stream of {stream.size} bytes does not hold {count} symbols")
        if occurring.size == 1:
            symbols = np.full(count, occurring[0], kind)
        else:
            symbols = _decoded(stream, occurring.astype(kind), rarities, count)
        if not np.array_equal(_encoded(symbols, occurring, rarities, alphabet), stream):
            raise FormatError("a range coder's stream is not as it would have been written")
        return symbols


def _rarities(counts: Counts) -> Whole:
    """Of each symbol, eighths of a halving below the most frequent one."""
    halvings = np.log2(counts.max()) - np.log2(counts)
    return np.minimum(np.rint(8 * halvings), _RAREST).astype(np.int64)


def _weights(rarities: Whole) -> NDArray[np.float64]:
    return np.ldexp(_EIGHTHS[rarities % 8], -(rarities // 8))


def _model(rarities: Whole) -> Any:
    # `perfect` is part of the format, and the library's own default for it is to change between versions.
    return constriction.stream.model.Categorical(_weights(rarities), perfect=False)


def _encoded(symbols: Symbols, occurring: Whole, rarities: Whole, alphabet: int) -> Bytes:
    if occurring.size == 1:
        return np.zeros(0, np.uint8)
    place = np.zeros(alphabet, np.int32)
    place[occurring] = np.arange(occurring.size)
    model, encoder = _model(rarities), constriction.stream.queue.RangeEncoder()
    for start in range(0, symbols.size, _AT_ONCE):
        encoder.encode(place[symbols[start : start + _AT_ONCE]], model)
    return as_bytes(encoder.get_compressed())


def _decoded(stream: Bytes, occurring: Symbols, rarities: Whole, count: int) -> Symbols:
    words = np.ascontiguousarray(stream).view("<u4").astype(np.uint32)
    model, decoder = _model(rarities), constriction.stream.queue.RangeDecoder(words)
    symbols = np.empty(count, occurring.dtype)
    try:
        for start in range(0, count, _AT_ONCE):
            stop = min(start + _AT_ONCE, count)
            symbols[start:stop] = occurring[decoder.decode(model, stop - start)]
    except AssertionError as refused:  # what the library says of words that no symbols lead to
        raise FormatError("a range coder's stream stands for no symbols") from refused
    return symbols
