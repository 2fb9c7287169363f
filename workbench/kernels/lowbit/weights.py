"""Matrices of packed weights on a uniform grid or in a codebook, as the low-bit products take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.lowbit.code_tiles import INPUTS, in_strips, pack_matrix, unpack_matrix
from workbench.kernels.vector.aligned import as_aligned

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
# How a code is decoded. permute: it looks up a table in registers; in one instruction where they have 64 bytes.
# convert: it becomes the number it is; for grids. gather: it looks up a table in memory; for codebooks.
Way = Literal["permute", "convert", "gather"]

# The levels of every grid of up to 4 bits, by its width, repeated.
_RAMPS = [as_aligned(np.arange(16, dtype=np.float32) % 2**bits) for bits in range(5)]


@dataclass(frozen=True, eq=False)
class LowBit:
    """A matrix [outputs, inputs] of packed weights. Built by `affine` or `codebook`.

    packed: codes, as `code_tiles` lays them out. scale, zero_point: one for each output and run, as `in_strips` orders
    them, or a single one for all; zero points that are bytes are held as such. levels: the value of each code, none
    where codes count up from zero. run: neighbouring inputs that share a scale.
    """

    outputs: int
    inputs: int
    bits: int
    packed: Bytes
    scale: Floats
    zero_point: Floats | Bytes
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
        return unpack_matrix(self.packed, self.outputs, self.inputs, self.bits)

    @cached_property
    def way(self) -> Way:
        """How codes are decoded on this processor."""
        if self.bits <= 4 and (wide() or (has("avx2") and not self.uniform)):
            return "permute"
        return "convert" if self.uniform else "gather"

    @cached_property
    def arguments(self) -> tuple[Any, ...]:
        """What every kernel takes first: packed, levels, scale, zero_point, (outputs, inputs, run)."""
        levels = self.levels if self.levels.size else _RAMPS[min(self.bits, 4)]
        return self.packed, levels, self.scale, self.zero_point, (self.outputs, self.inputs, self.run)


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
    if ((zero_point == np.rint(zero_point)) & (zero_point >= 0) & (zero_point <= 255)).all():
        points: Any = _held(zero_point.astype(np.uint8), outputs)
    else:
        points = _held(zero_point, outputs)
    none = np.zeros(0, np.float32)
    return LowBit(outputs, inputs, bits, packed, _held(scale, outputs), points, none, size or _whole(inputs), True)


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
    one, zero = np.ones(1, np.float32), np.zeros(1, np.uint8)
    return LowBit(outputs, inputs, bits, packed, one, zero, as_aligned(centroids), _whole(inputs), False)


def _held(values: NDArray[Any], outputs: int) -> NDArray[Any]:
    """`values`, one for each output and run, in the order of the strips; one alone where all are the same."""
    if not values.size:
        return values
    if (values == values[0]).all():
        return values[:1].copy()
    return in_strips(values.reshape(outputs, -1))


def _whole(inputs: int) -> int:
    """A run that takes in a whole row."""
    return max(1, -(-inputs // INPUTS)) * INPUTS
