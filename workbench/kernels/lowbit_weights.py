"""Matrices of packed weights on a uniform grid or in a codebook, as the low-bit products take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.kernels._memory import as_aligned
from workbench.kernels.code_tiles import INPUTS, pack_matrix, tile_outputs, unpack_matrix

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LowBit:
    """A matrix [outputs, inputs] of packed weights. Built by `affine` or `codebook`.

    packed: codes, as `code_tiles` lays them out. scale, zero_point: [tiles, runs, 16]; all 1 and 0 for a codebook.
    levels: the value of each code, [16] where codes have up to 4 bits, else [256]. run: neighbouring inputs that share
    a scale.
    """

    outputs: int
    inputs: int
    bits: int
    packed: Bytes
    scale: Floats
    zero_point: Floats
    levels: Floats
    run: int
    uniform: bool  # on a grid, not in a codebook

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.packed.nbytes + self.scale.nbytes + self.zero_point.nbytes + self.levels.nbytes

    @property
    def codes(self) -> Bytes:
        """The codes, unpacked, [outputs, inputs]."""
        return unpack_matrix(self.packed, self.outputs, self.inputs)


def affine(codes: Bytes, bits: int, scale: Floats, zero_point: Floats, *, size: int = 0) -> LowBit:
    """Weights scale · (code − zero point), for codes [out, in].

    scale, zero_point: [1] for one grid, [out] for one an output, or, with `size`, [out · ceil(in / size)] for runs of
    `size` neighbours inside a row; `size` is a multiple of 32. Raises ValueError for shapes that do not fit.
    """
    packed = pack_matrix(codes, bits)
    outputs, inputs = codes.shape
    if size < 0 or size % INPUTS:
        raise ValueError(f"Runs that share a scale hold a multiple of {INPUTS} weights, not {size}.")
    runs = -(-inputs // size) if size else 1
    scale, zero_point = (np.asarray(one, np.float32).reshape(-1) for one in (scale, zero_point))
    if scale.size != zero_point.size or scale.size not in (1, outputs * runs):
        raise ValueError(f"{scale.size} scales and {zero_point.size} zero points do not fit {outputs * runs} runs.")
    per_run = [np.resize(one, (outputs, runs)) for one in (scale, zero_point)]
    levels = as_aligned(np.arange(16 if bits <= 4 else 256, dtype=np.float32) % 2**bits)
    scale, zero_point = (tile_outputs(one) for one in per_run)
    return LowBit(outputs, inputs, bits, packed, scale, zero_point, levels, size or _whole(inputs), True)


def codebook(codes: Bytes, bits: int, centroids: Floats) -> LowBit:
    """Weights centroids[code], for codes [out, in]; centroids: up to 2^bits.

    Raises ValueError for a code without a centroid.
    """
    centroids = np.asarray(centroids, np.float32).reshape(-1)
    if not 1 <= centroids.size <= 2**bits:
        raise ValueError(f"A codebook of {bits} bits has 1 to {2**bits} centroids, not {centroids.size}.")
    if codes.size and int(codes.max()) >= centroids.size:
        raise ValueError(f"Code {int(codes.max())} has no centroid; there are {centroids.size}.")
    packed = pack_matrix(codes, bits)
    outputs, inputs = codes.shape
    levels = np.zeros(2**bits, np.float32)
    levels[: centroids.size] = centroids
    levels = np.resize(levels, 16 if bits <= 4 else 256)
    one, zero = (tile_outputs(np.full((outputs, 1), value, np.float32)) for value in (1, 0))
    return LowBit(outputs, inputs, bits, packed, one, zero, as_aligned(levels), _whole(inputs), False)


def _whole(inputs: int) -> int:
    """A run that takes in a whole row."""
    return max(1, -(-inputs // INPUTS)) * INPUTS
