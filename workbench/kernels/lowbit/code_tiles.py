"""A matrix of codes in strips of outputs: the layout that products with packed weights read. Nothing in it is padded.

A strip is 16 outputs, the last one what is left of them. Its inputs come in blocks of 32, one group of `lanes` each:
the code of output o and input 4·r + s of a block stands in row r, byte column 4·o + s, so that, seen as 32-bit lanes, a
row holds for each output the codes of four neighbouring inputs, one a byte. A block of b-bit codes is b rows of four
bytes an output. The inputs that are left over are a stream of bits for each output, lowest bits first, filled up to
bytes: byte i of all outputs of the strip, then byte i + 1. All strips follow one another, each blocks then rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.lowbit import byte_lanes as lanes
from workbench.kernels.vector.aligned import aligned_zeros, as_aligned

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

OUTPUTS = 16
INPUTS = 32


def rest_bytes(inputs: int, bits: int) -> int:
    """Bytes an output of the inputs that do not fill a block."""
    return -(-(inputs % INPUTS) * bits // 8)


def packed_bytes(outputs: int, inputs: int, bits: int) -> int:
    """Bytes of the packed array of a matrix [outputs, inputs]."""
    return outputs * (inputs // INPUTS * bits * 4 + rest_bytes(inputs, bits))


def pack_matrix(codes: Bytes, bits: int, *, threads: int = 1) -> Bytes:
    """`codes` [out, in] as [packed_bytes].

    Raises ValueError for another shape, a width outside 1..8, or a code too wide for it.
    """
    if codes.ndim != 2:
        raise ValueError(f"A matrix of codes is [out, in], not of {codes.ndim} dimensions.")
    lanes.check_width(bits)
    outputs, inputs = codes.shape
    strips, blocks = -(-outputs // OUTPUTS), inputs // INPUTS
    if codes.size and int(codes.max()) >> bits:
        raise ValueError(f"A code does not fit into {bits} bits.")
    padded = aligned_zeros((strips * OUTPUTS, blocks * INPUTS), np.uint8)
    padded[:outputs] = codes[:, : blocks * INPUTS]
    rows = padded.view(np.uint32).reshape(strips, OUTPUTS, blocks * lanes.ROWS).transpose(0, 2, 1)
    whole = lanes.pack(np.ascontiguousarray(rows).view(np.uint8).reshape(-1), bits, threads=threads)
    whole = whole.reshape(strips, blocks * bits, lanes.LANES)
    rest = np.unpackbits(codes[:, blocks * INPUTS :, None].astype(np.uint8), axis=2, count=bits, bitorder="little")
    rest = np.packbits(rest.reshape(outputs, (inputs % INPUTS) * bits), axis=1, bitorder="little")
    found = []
    for strip in range(strips):
        mine = rest[strip * OUTPUTS : strip * OUTPUTS + OUTPUTS]
        found += [whole[strip, :, : 4 * len(mine)].reshape(-1), mine.T.reshape(-1)]
    return as_aligned(np.concatenate(found) if found else np.zeros(0, np.uint8))


def unpack_matrix(packed: Bytes, outputs: int, inputs: int, bits: int, *, threads: int = 1) -> Bytes:
    """The codes, [outputs, inputs]. Raises ValueError where `packed` is not the packed array of such a matrix."""
    if packed.shape != (packed_bytes(outputs, inputs, bits),):
        raise ValueError(f"Packed codes {list(packed.shape)} do not hold a matrix [{outputs}, {inputs}].")
    codes = np.empty((outputs, inputs), np.uint8)
    blocks, at = inputs // INPUTS, 0
    for first in range(0, outputs, OUTPUTS):
        count = min(OUTPUTS, outputs - first)
        whole = np.zeros((blocks, bits, lanes.LANES), np.uint8)
        middle = at + blocks * bits * 4 * count
        end = middle + rest_bytes(inputs, bits) * count
        whole[:, :, : 4 * count] = packed[at:middle].reshape(blocks, bits, 4 * count)
        flat = lanes.unpack(whole, bits, blocks * lanes.GROUP, threads=threads)
        rows = flat.view(np.uint32).reshape(blocks * lanes.ROWS, OUTPUTS).T[:count]
        codes[first : first + count, : blocks * INPUTS] = np.ascontiguousarray(rows).view(np.uint8).reshape(count, -1)
        stream = np.unpackbits(packed[middle:end].reshape(-1, count).T, axis=1, bitorder="little")
        rest = stream[:, : (inputs % INPUTS) * bits].reshape(count, inputs % INPUTS, bits)
        codes[first : first + count, blocks * INPUTS :] = np.packbits(rest, axis=2, bitorder="little")[..., 0]
        at = end
    return codes


def in_strips(per_output: NDArray[np.generic]) -> NDArray[np.generic]:
    """Values [out, runs] that go with each output in the order of the strips, run by run inside a strip, flat."""
    strips = [per_output[first : first + OUTPUTS].T.reshape(-1) for first in range(0, len(per_output), OUTPUTS)]
    return as_aligned(np.concatenate(strips) if strips else per_output.reshape(-1))
