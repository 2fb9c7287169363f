"""Codes of 1 to 16 bits as a dense stream: the first code in the lowest bits of the first byte, no gaps between codes.

n codes of b bits take exactly ceil(n·b / 8) bytes; the last byte's unused high bits are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit

Bytes = NDArray[np.uint8]
Codes = NDArray[Any]


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits take."""
    return (count * bits + 7) // 8


def pack(codes: Codes, bits: int) -> Bytes:
    """`codes` [n] as a stream [ceil(n·bits / 8)]. Raises ValueError for a width outside 1..16 or a wider code."""
    codes = np.ascontiguousarray(codes, _type(bits)).reshape(-1)
    if bits % 8 and codes.size and int(codes.max()) >> bits:
        raise ValueError(f"Code {int(codes.max())} does not fit into {bits} bits.")
    stream = np.zeros(packed_size(codes.size, bits), np.uint8)
    _pack(codes, bits, stream)
    return stream


def unpack(stream: Bytes, bits: int, count: int) -> Codes:
    """The `count` codes of a stream, [count], uint8 up to 8 bits and uint16 above.

    Raises ValueError where they do not take exactly its bytes.
    """
    kind = _type(bits)
    stream = np.ascontiguousarray(stream, np.uint8).reshape(-1)
    if count < 0 or stream.size != packed_size(count, bits):
        raise ValueError(f"{count} codes of {bits} bits do not take {stream.size} bytes.")
    codes = np.empty(count, kind)
    _unpack(stream, bits, codes)
    return codes


def _type(bits: int) -> type[np.uint8] | type[np.uint16]:
    if not 1 <= bits <= 16:
        raise ValueError(f"A code has 1 to 16 bits, not {bits}.")
    return np.uint8 if bits <= 8 else np.uint16


@jit
def _pack(codes, bits, stream):  # type: ignore[no-untyped-def]
    whole = codes.size // 8 if bits <= 8 else 0  # eight codes fill `bits` whole bytes, which a word holds
    for block in range(whole):
        word = np.uint64(0)
        for i in range(8):
            word |= np.uint64(codes[8 * block + i]) << np.uint64(i * bits)
        for i in range(bits):
            stream[bits * block + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(255))
    word, held, at = np.uint64(0), 0, bits * whole
    for i in range(8 * whole, codes.size):
        word |= np.uint64(codes[i]) << np.uint64(held)
        held += bits
        while held >= 8:
            stream[at] = np.uint8(word & np.uint64(255))
            word >>= np.uint64(8)
            held -= 8
            at += 1
    if held:
        stream[at] = np.uint8(word & np.uint64(255))


@jit
def _unpack(stream, bits, codes):  # type: ignore[no-untyped-def]
    mask = np.uint64((1 << bits) - 1)
    whole = codes.size // 8 if bits <= 8 else 0
    for block in range(whole):
        word = np.uint64(0)
        for i in range(bits):
            word |= np.uint64(stream[bits * block + i]) << np.uint64(8 * i)
        for i in range(8):
            codes[8 * block + i] = (word >> np.uint64(i * bits)) & mask
    word, held, at = np.uint64(0), 0, bits * whole
    for i in range(8 * whole, codes.size):
        while held < bits:
            word |= np.uint64(stream[at]) << np.uint64(held)
            held += 8
            at += 1
        codes[i] = word & mask
        word >>= np.uint64(bits)
        held -= bits
