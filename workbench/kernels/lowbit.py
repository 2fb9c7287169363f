"""Products of weights packed to 1-8 bits with float32 activations: y = W x and Y = X Wᵀ, the weights decoded on the way.

The weights stay packed in memory (`tiles`); a tile is decoded in registers, or to a panel in the first-level cache where
many rows share it. A grid's zero point is taken off the sum of 64 products at a time, by the sum of their activations,
which keeps float32's accuracy where the zero point is large beside the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _threads
from workbench.kernels._features import wide
from workbench.kernels._generate import generated
from workbench.kernels._jit import jit
from workbench.kernels._lowbit_source import BATCH, TILES, Way, gemm_source, gemv_source, left_in_place
from workbench.kernels._memory import aligned, as_aligned
from workbench.kernels._vector import (  # noqa: F401 (names in generated code)
    convert,
    fma,
    gather,
    load,
    permute16,
    splat,
    spread,
    store,
    view,
)
from workbench.kernels.tiles import INPUTS, OUTPUTS, pack_matrix, tile_outputs, unpack_matrix

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SPAN = 2  # blocks of 32 inputs after which the zero point is taken off
_CHUNK = 8  # blocks in a panel: 8 · 32 · 32 floats are 32 KiB


@dataclass(frozen=True, eq=False)
class LowBit:
    """A matrix [outputs, inputs] of packed weights. Built by `affine` or `codebook`.

    packed: codes, as `tiles` lays them out. scale, zero_point: [tiles, runs, 16]; all 1 and 0 for a codebook. levels: the
    value of each code, [16] where codes have up to 4 bits, else [256]. run: neighbouring inputs that share a scale.
    """

    outputs: int
    inputs: int
    bits: int
    packed: Bytes
    scale: Floats
    zero_point: Floats
    levels: Floats
    run: int
    uniform: bool

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
    tiled = [tile_outputs(np.broadcast_to(one.reshape(-1, runs if one.size > 1 else 1), (outputs, runs))) for one in (scale, zero_point)]
    levels = as_aligned(np.arange(16 if bits <= 4 else 256, dtype=np.float32) % 2**bits)
    return LowBit(outputs, inputs, bits, packed, *tiled, levels, size or _whole(inputs), True)


def codebook(codes: Bytes, bits: int, centroids: Floats) -> LowBit:
    """Weights centroids[code], for codes [out, in]; centroids: up to 2^bits. Raises ValueError for a code without one."""
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


def gemv(weights: LowBit, x: Floats, *, threads: int = 1) -> Floats:
    """W x: float32 [in] to [out]. Raises ValueError for an x of another shape."""
    x = np.ascontiguousarray(x, np.float32)
    if x.shape != (weights.inputs,):
        raise ValueError(f"The activations are [{weights.inputs}], not {list(x.shape)}.")
    across, blocks = weights.packed.shape[:2]
    y = aligned(across * OUTPUTS, np.float32)
    way, span = _way(weights), _SPAN if weights.run % (INPUTS * _SPAN) == 0 else 1
    padded, sums = aligned(blocks * INPUTS, np.float32), aligned(-(-blocks // span), np.float32)
    _prepare(x, _factors(way, weights.bits), span * INPUTS, padded, sums)
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    arguments = (weights.packed.reshape(-1), weights.levels, *scales, padded, sums, span, weights.run // (INPUTS * span), y)
    _threads.split(_kernel("gemv", way, weights.bits), across, threads, *arguments, step=TILES)
    return y[: weights.outputs]


def gemm(weights: LowBit, x: Floats, *, threads: int = 1) -> Floats:
    """X Wᵀ: float32 [batch, in] to [batch, out]. Raises ValueError for an x of another shape."""
    x = np.ascontiguousarray(x, np.float32)
    if x.ndim != 2 or x.shape[1] != weights.inputs:
        raise ValueError(f"The activations are [batch, {weights.inputs}], not {list(x.shape)}.")
    batch = x.shape[0]
    across, blocks = weights.packed.shape[:2]
    rows = -(-batch // BATCH)
    y = aligned((rows * BATCH, across * OUTPUTS), np.float32)
    if blocks == 0:
        y.fill(0)
    ordered = aligned(rows * BATCH * blocks * INPUTS, np.float32)
    _threads.split(_interleave, rows, threads, x, blocks * INPUTS, ordered)
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    run = weights.run // INPUTS
    arguments = (weights.packed.reshape(-1), weights.levels, *scales, run, ordered, rows, y.reshape(-1), _CHUNK, across)
    if rows and blocks:
        _threads.split(_kernel("gemm", _way(weights), weights.bits), across, threads, *arguments, step=TILES)
    return np.ascontiguousarray(y[:batch, : weights.outputs])


def _way(weights: LowBit) -> Way:
    if wide() and weights.bits <= 4:
        return "permute"
    return "convert" if weights.uniform else "gather"


def _kernel(product: str, way: Way, bits: int) -> Any:
    name = f"_{product}_{way}_{bits}"
    source = gemv_source if product == "gemv" else gemm_source
    return generated(__name__, name, lambda: source(name, way, bits))


@cache
def _factors(way: Way, bits: int) -> Floats:
    """What each input of a block is scaled by before the product with codes that `convert` leaves too large."""
    return np.array([2.0 ** -(left_in_place(bits, k) if way == "convert" else 0) for k in range(INPUTS)], np.float32)


def _whole(inputs: int) -> int:
    """A run that takes in a whole row: a multiple of 64."""
    span = INPUTS * _SPAN
    return max(1, -(-inputs // span)) * span


@jit(fast_math=True)
def _prepare(x, factors, span, padded, sums):  # type: ignore[no-untyped-def]
    for one in range(sums.size):
        total = np.float32(0)
        for k in range(one * span, min(one * span + span, x.size)):
            total += x[k]
        sums[one] = total
    for block in range(padded.size // factors.size):
        at = block * factors.size
        for k in range(min(factors.size, x.size - at)):
            padded[at + k] = x[at + k] * factors[k]
    padded[x.size :] = 0


@jit
def _interleave(x, width, ordered, start, stop):  # type: ignore[no-untyped-def]
    """Groups of eight rows, of `width` inputs each, with the same input of all eight rows side by side."""
    batch, inputs = x.shape
    for group in range(start, stop):
        at = group * width * 8
        if batch - group * 8 < 8 or inputs < width:
            ordered[at : at + width * 8] = 0
        if batch - group * 8 >= 8:
            for k in range(inputs):
                for row in range(8):
                    ordered[at + k * 8 + row] = x[group * 8 + row, k]
        else:
            for row in range(batch - group * 8):
                for k in range(inputs):
                    ordered[at + k * 8 + row] = x[group * 8 + row, k]
