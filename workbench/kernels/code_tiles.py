"""A matrix of codes in tiles: the layout that products with packed weights read.

A tile is 16 outputs by 32 inputs, one group of `lanes`: the code of output 16·t + o and input 32·k + 4·r + s stands in
row r, byte column 4·o + s. Seen as sixteen 32-bit lanes, a row holds for each output the codes of four neighbouring
inputs, one a byte. A matrix [out, in] of b-bit codes is an array [ceil(out / 16), ceil(in / 32), b, 64] of bytes; codes
that fill up the last tiles are zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import lanes
from workbench.kernels._memory import aligned, aligned_zeros

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

OUTPUTS = 16
INPUTS = 32


def tiles_shape(outputs: int, inputs: int, bits: int) -> tuple[int, int, int, int]:
    """Shape of the packed array of a matrix [outputs, inputs]."""
    return -(-outputs // OUTPUTS), -(-inputs // INPUTS), bits, lanes.LANES


def pack_matrix(codes: Bytes, bits: int, *, threads: int = 1) -> Bytes:
    """`codes` [out, in] as [ceil(out / 16), ceil(in / 32), bits, 64].

    Raises ValueError for another shape, a width outside 1..8, or a code too wide for it.
    """
    if codes.ndim != 2:
        raise ValueError(f"A matrix of codes is [out, in], not of {codes.ndim} dimensions.")
    lanes.check_width(bits)
    across, down, *_ = shape = tiles_shape(codes.shape[0], codes.shape[1], bits)
    padded = aligned_zeros((across * OUTPUTS, down * INPUTS), np.uint8)
    padded[: codes.shape[0], : codes.shape[1]] = codes
    rows = padded.view(np.uint32).reshape(across, OUTPUTS, down * lanes.ROWS)
    ordered = aligned((across, down * lanes.ROWS, OUTPUTS), np.uint32)
    np.copyto(ordered, rows.transpose(0, 2, 1))
    packed = lanes.pack(ordered.view(np.uint8).reshape(-1), bits, threads=threads)
    return packed.reshape(shape)


def unpack_matrix(packed: Bytes, outputs: int, inputs: int, *, threads: int = 1) -> Bytes:
    """The codes, [outputs, inputs]. Raises ValueError where `packed` is not the packed array of such a matrix."""
    if packed.ndim != 4 or packed.shape != tiles_shape(outputs, inputs, packed.shape[2]):
        raise ValueError(f"Tiles {list(packed.shape)} do not hold a matrix [{outputs}, {inputs}].")
    across, down, bits, _ = packed.shape
    flat = lanes.unpack(packed.reshape(-1, bits, lanes.LANES), bits, across * down * lanes.GROUP, threads=threads)
    rows = flat.view(np.uint32).reshape(across, down * lanes.ROWS, OUTPUTS).transpose(0, 2, 1)
    codes = np.ascontiguousarray(rows).view(np.uint8).reshape(across * OUTPUTS, down * INPUTS)
    return np.ascontiguousarray(codes[:outputs, :inputs])


def tile_outputs(per_output: Floats) -> Floats:
    """Values [out, runs] that go with each output as [ceil(out / 16), runs, 16], zeros where no output is."""
    outputs, runs = per_output.shape
    across = -(-outputs // OUTPUTS)
    tiled = aligned_zeros((across, runs, OUTPUTS), np.float32)
    padded = np.zeros((across * OUTPUTS, runs), np.float32)
    padded[:outputs] = per_output
    tiled[...] = padded.reshape(across, OUTPUTS, runs).transpose(0, 2, 1)
    return tiled
