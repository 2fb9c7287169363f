"""Reading strips of packed codes and what goes with their outputs (see `code_tiles`) inside kernels.

A strip is worked on as sixteen lanes, however many outputs it has; nothing beyond its own is read.
"""

from __future__ import annotations

import numpy as np

from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.lookups import load_some
from workbench.kernels.vector.registers import convert, load, splat
from workbench.kernels.vector.stretches import clear, scratch


@jit
def widened(packed, index, kept, rows):  # type: ignore[no-untyped-def]
    """`rows` rows of four bytes for each of `kept` outputs, from byte `index` on, as rows of 64 bytes; none if it is 0.

    Rows of one length everywhere cost the kernels less than a copy of the last strip does.
    """
    filled = scratch(rows * 64 if kept else 0, np.uint8)
    clear(filled, 0, filled.size)
    for row in range(rows if kept else 0):
        for byte in range(4 * kept):
            filled[row * 64 + byte] = packed[index + row * 4 * kept + byte]
    return filled


@jit
def octets(packed, index, kept):  # type: ignore[no-untyped-def]
    """Sixteen bytes from `index` on, each widened to 32 bits; zero, and not read, beyond the first `kept`."""
    found = load(packed, index, 16) if kept == 16 else load_some(packed, index, kept, 16)
    return convert(found, np.uint32)


@jit
def rest_code(packed, index, kept, bits, number):  # type: ignore[no-untyped-def]
    """Code `number` of each output's rest, which begins at byte `index`."""
    byte, shift = (number * bits) // 8, np.uint32((number * bits) % 8)
    code = octets(packed, index + byte * kept, kept)
    if shift + bits > 8:
        code = code | octets(packed, index + (byte + 1) * kept, kept) << np.uint32(8)
    return (code >> shift) & np.uint32((1 << bits) - 1)


@jit
def rest_quad(packed, index, kept, bits, first, count):  # type: ignore[no-untyped-def]
    """Codes `first` to first + 3 of each output's rest, one a byte; zero from code `count` on."""
    quad = splat(np.uint32(0), 16)
    for i in range(min(4, count - first)):
        quad = quad | rest_code(packed, index, kept, bits, first + i) << np.uint32(8 * i)
    return quad


@jit
def beside(values, index, kept):  # type: ignore[no-untyped-def]
    """What goes with each output, from `index` on, as float32; or the one value that goes with all."""
    if values.size == 1:
        return splat(np.float32(values[0]), 16)
    return convert(load_some(values, index, kept, 16), np.float32)
