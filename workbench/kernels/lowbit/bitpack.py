"""Codes of 1 to 8 bits as a dense stream: the first code in the lowest bits of the first byte, no gaps between codes.

n codes of b bits take exactly ceil(n·b / 8) bytes; the last byte's unused high bits are zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit

Bytes = NDArray[np.uint8]


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits take."""
    return (count * bits + 7) // 8


def pack(codes: Bytes, bits: int) -> Bytes:
    """`codes` [n] as a stream [ceil(n·bits / 8)]. Raises ValueError for a width outside 1..8 or a wider code."""
    _check_width(bits)
    codes = np.ascontiguousarray(codes, np.uint8).reshape(-1)
    if bits < 8 and codes.size and int(codes.max()) >> bits:
        raise ValueError(f"Code {int(codes.max())} does not fit into {bits} bits.")
    stream = np.zeros(packed_size(codes.size, bits), np.uint8)
    _pack(codes, bits, stream)
    return stream


def unpack(stream: Bytes, bits: int, count: int) -> Bytes:
    """The `count` codes of a stream, [count]. Raises ValueError where they do not take exactly its bytes."""
    _check_width(bits)
    stream = np.ascontiguousarray(stream, np.uint8).reshape(-1)
    if count < 0 or stream.size != packed_size(count, bits):
        raise ValueError(f"{count} codes of {bits} bits do not take {stream.size} bytes.")
    codes = np.empty(count, np.uint8)
    _unpack(stream, bits, codes)
    return codes


def _check_width(bits: int) -> None:
    if not 1 <= bits <= 8:
        raise ValueError(f"A code has 1 to 8 bits, not {bits}.")


@jit
def _pack(codes, bits, stream):  # type: ignore[no-untyped-def]
    whole = codes.size // 8  # eight codes fill `bits` whole bytes
    for block in range(whole):
        word = np.uint64(0)
        for i in range(8):
            word |= np.uint64(codes[8 * block + i]) << np.uint64(i * bits)
        for i in range(bits):
            stream[bits * block + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(255))
    word = np.uint64(0)
    for i in range(codes.size - 8 * whole):
        word |= np.uint64(codes[8 * whole + i]) << np.uint64(i * bits)
    for i in range(stream.size - bits * whole):
        stream[bits * whole + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(255))


@jit
def _unpack(stream, bits, codes):  # type: ignore[no-untyped-def]
    mask = np.uint64((1 << bits) - 1)
    whole = codes.size // 8
    for block in range(whole):
        word = np.uint64(0)
        for i in range(bits):
            word |= np.uint64(stream[bits * block + i]) << np.uint64(8 * i)
        for i in range(8):
            codes[8 * block + i] = np.uint8((word >> np.uint64(i * bits)) & mask)
    word = np.uint64(0)
    for i in range(stream.size - bits * whole):
        word |= np.uint64(stream[bits * whole + i]) << np.uint64(8 * i)
    for i in range(codes.size - 8 * whole):
        codes[8 * whole + i] = np.uint8((word >> np.uint64(i * bits)) & mask)
