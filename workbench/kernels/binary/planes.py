"""Products of unsigned codes of a few bits, one plane of bits at a time (Zhou et al., DoReFa-Net, 2016, section 2.1).

The sum of products of codes x and w is Σ 2^(m+n) popcount(x_m & w_n) over their planes m and n. With
popcount(x & w) = (popcount(x) + popcount(w) − popcount(x ^ w)) / 2 it is also, exactly,

    ½ [(2^n − 1) Σ x + (2^m − 1) Σ w − Σ 2^(m+n) popcount(x_m ^ w_n)]

for x of m and w of n bits, so planes are multiplied by the loop that multiplies signs, and padding with zeros adds
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.kernels.binary.convolution import Pair, as_pair, runs_of, windows
from workbench.kernels.binary.signs import Tiles, Words, row_places
from workbench.kernels.binary.words import BY_LOOK_UP, LANES, multiply_planes, paired, tiled, words_for
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.aligned import aligned, aligned_zeros, as_aligned

Codes = NDArray[np.uint8]
Sums = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PlaneRows:
    """Codes of a matrix [rows, depth]: words uint32 [bits, rows, W], one plane after another, and sums int32 [rows].

    Bit i of word k of plane p is bit p of code 32k + i; words are paired as in `signs.SignRows`.
    """

    words: Words
    sums: Sums
    depth: int


@dataclass(frozen=True, eq=False)
class PlaneWeights:
    """Codes of a weight tensor [outputs, ...]: words [tiles, bits, ...], each plane's as `words.tiled` lays
    them, and sums int32 [LANES · tiles].

    The words of a convolution are those of one kernel position after another; kernel is (1, 1) for a matrix.
    """

    words: Tiles
    sums: Sums
    outputs: int
    depth: int
    kernel: Pair

    @property
    def bits(self) -> int:
        return self.words.shape[1]


def pack_planes(codes: Codes, bits: int) -> PlaneRows:
    """`codes` [rows, depth], uint8, below 2^bits. Raises ValueError for anything else."""
    _check_codes(codes, bits, 2)
    words = aligned((bits, len(codes), words_for(codes.shape[1])), np.uint32)
    sums = np.empty(len(codes), np.int32)
    _pack_planes(np.ascontiguousarray(codes), words, sums)
    return PlaneRows(words, sums, codes.shape[1])


def pack_plane_weights(codes: Codes, bits: int) -> PlaneWeights:
    """`codes` [outputs, depth] or [outputs, channels, height, width], uint8, below 2^bits; else raises ValueError."""
    if codes.ndim not in (2, 4):
        raise ValueError(f"Codes of weights have 2 or 4 dimensions, not {codes.ndim}.")
    _check_codes(codes, bits, codes.ndim)
    outputs, depth = codes.shape[:2]
    kernel = (codes.shape[2], codes.shape[3]) if codes.ndim == 4 else (1, 1)
    positions = kernel[0] * kernel[1]
    if outputs * depth * positions == 0:
        raise ValueError(f"Weights of shape {list(codes.shape)} make no product.")
    by_position = np.ascontiguousarray(np.moveaxis(codes.reshape(outputs, depth, positions), 1, 2))
    planes = pack_planes(by_position.reshape(-1, depth), bits).words
    words = as_aligned(np.stack([tiled(plane.reshape(outputs, -1)) for plane in planes], axis=1))
    sums = aligned_zeros(len(words) * LANES, np.int32)
    sums[:outputs] = codes.reshape(outputs, -1).sum(axis=1, dtype=np.int64)
    return PlaneWeights(words, sums, outputs, depth, kernel)


def gemm_planes(x: PlaneRows, weights: PlaneWeights, threads: int = 1, out: Sums | None = None) -> Sums:
    """[rows, outputs] = Σ x · w over the codes, int32, exact; written to `out` if given.

    Raises ValueError where the two, or `out`, do not fit.
    """
    if weights.kernel != (1, 1) or x.depth != weights.depth:
        raise ValueError(f"Rows of {x.depth} codes do not fit weights of {weights.depth} by {weights.kernel}.")
    bits, rows, width = x.words.shape
    runs = (np.arange(bits) * (rows * width))[:, None]
    return _product(x.words, row_places(rows, width), runs, x.sums, weights, threads, out)


def conv_planes(
    x: Codes,
    bits: int,
    weights: PlaneWeights,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    threads: int = 1,
    outside: int = 0,
) -> tuple[Sums, Sums]:
    """Convolution of codes x [images, channels, height, width], uint8, below 2^bits, with those of the weights.

    Returns int32 [images, outputs, height, width], exact, channels last in memory, and the sum of the codes that each
    window sees, int32 [images, height, width]. outside: the code in the padding. Raises ValueError for an input that
    does not fit.
    """
    _check_codes(x, bits, 4)
    if x.shape[1] != weights.depth:
        raise ValueError(f"An input of {x.shape[1]} channels does not fit weights of {weights.depth}.")
    down, right = as_pair("padding", padding, 0)
    step, spread = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
    images, channels, height, width = x.shape
    words = words_for(channels)
    shape, places, _ = windows(x.shape, words, 0, weights.kernel, step, (down, right), spread)
    padded = np.full((images, height + 2 * down, width + 2 * right, channels), outside, np.uint8)
    padded[:, down : down + height, right : right + width] = x.transpose(0, 2, 3, 1)
    rows = pack_planes(padded.reshape(-1, channels), bits)
    runs = runs_of(padded.shape[2], words, weights.kernel, spread)
    sums = np.empty(len(places), np.int32)
    _window_sums(rows.sums, places, runs, words, weights.kernel[0] * weights.kernel[1] // runs.size, sums)
    per_plane = np.arange(bits)[:, None] * rows.words[0].size + runs
    y = _product(rows.words, places, per_plane, sums, weights, threads)
    return y.reshape(images, *shape, weights.outputs).transpose(0, 3, 1, 2), sums.reshape(images, *shape)


def _product(
    x: Words,
    places: NDArray[np.int64],
    runs: NDArray[np.int64],
    sums: Sums,
    weights: PlaneWeights,
    threads: int,
    out: Sums | None = None,
) -> Sums:
    """runs: [planes, stretches of words], see `mismatches.sign_products`."""
    largest = weights.depth * weights.kernel[0] * weights.kernel[1] * (2 ** len(x) - 1) * (2**weights.bits - 1)
    if largest >= 2**31:
        raise ValueError(f"A sum of products of up to {largest} does not fit into 32 bits.")
    y = aligned((len(places), weights.outputs), np.int32) if out is None else out
    if y.shape != (len(places), weights.outputs) or y.dtype != np.int32 or not y.flags.c_contiguous:
        raise ValueError(f"The product is int32 {(len(places), weights.outputs)} in C order; the array for it is not.")
    width = words_for(weights.depth)
    length = width * weights.kernel[0] * weights.kernel[1] // runs.shape[1]
    x_parts = sums.astype(np.uint32) * np.uint32(2**weights.bits - 1)
    w_parts = weights.sums.astype(np.uint32) * np.uint32(2 ** len(x) - 1)
    arguments = (x.reshape(-1), places, np.ascontiguousarray(runs), length, paired(width), weights.words)
    multiply_planes(*arguments, x_parts, w_parts, y, weights.outputs, threads)
    return y


def _check_codes(codes: Codes, bits: int, dimensions: int) -> None:
    if not 1 <= bits <= 8:
        raise ValueError(f"A code has 1 to 8 bits, not {bits}.")
    if codes.dtype != np.uint8 or codes.ndim != dimensions:
        raise ValueError(f"Codes are uint8 in {dimensions} dimensions, not {codes.dtype} in {codes.ndim}.")
    if codes.size and int(codes.max()) >> bits:
        raise ValueError(f"Code {int(codes.max())} does not fit into {bits} bits.")


@intrinsic
def _plane_word(typingctx, codes, index, plane):  # type: ignore[no-untyped-def]
    """Bit `plane` of 32 codes from `index` of a C-contiguous array on, as uint32."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        index, plane = (context.cast(builder, args[i], sig.args[i], types.intp) for i in (1, 2))
        kind = ir.VectorType(ir.IntType(8), 32)
        found = builder.load(builder.bitcast(builder.gep(data, [index]), kind.as_pointer()))
        found.align = 1
        bit = builder.shl(ir.IntType(8)(1), builder.trunc(plane, ir.IntType(8)))
        undefined = ir.Constant(kind, ir.Undefined)
        one = builder.insert_element(undefined, bit, ir.IntType(32)(0))
        mask = builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), 32), None))
        there = builder.icmp_unsigned("!=", builder.and_(found, mask), ir.Constant(kind, None))
        return builder.bitcast(there, ir.IntType(32))

    return types.uint32(codes, index, plane), codegen


@jit
def _pack_planes(codes, words, sums):  # type: ignore[no-untyped-def]
    rows, depth = codes.shape
    flat = codes.reshape(-1)
    whole = depth // 32
    for row in range(rows):
        total = 0
        for column in range(depth):
            total += codes[row, column]
        sums[row] = total
        for plane in range(len(words)):
            here = words[plane, row]
            for word in range(whole):
                here[word] = _plane_word(flat, row * depth + 32 * word, plane)
            for word in range(whole, here.size):
                bits = np.uint32(0)
                for i in range(depth - 32 * word):
                    bits |= np.uint32((codes[row, 32 * word + i] >> plane & 1) << i)
                here[word] = bits
            if not BY_LOOK_UP:
                for word in range(1, here.size, 2):
                    here[word] ^= here[word - 1]


@jit
def _window_sums(sums, places, runs, words, across, found):  # type: ignore[no-untyped-def]
    """Sum of the codes that each window sees; sums: of each pixel's codes; across: pixels in a run."""
    for row in range(len(places)):
        total = 0
        for run in range(runs.size):
            first = (places[row, 0] + runs[run]) // words
            for pixel in range(first, first + across):
                total += sums[pixel]
        found[row] = total
