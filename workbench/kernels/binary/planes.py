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
from workbench.kernels.binary.mismatches import LANES, ROWS, add_mismatches
from workbench.kernels.binary.signs import Words, row_places, tiled, words_for
from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned, aligned_zeros
from workbench.kernels.vector.registers import load, store, view

Codes = NDArray[np.uint8]
Sums = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PlaneRows:
    """Codes of a matrix [rows, depth]: words uint32 [bits, rows, W], one plane after another, and sums int32 [rows].

    Bit i of word k of plane p is bit p of code 32k + i; words come in pairs as in `binary.SignRows`.
    """

    words: Words
    sums: Sums
    depth: int


@dataclass(frozen=True, eq=False)
class PlaneWeights:
    """Codes of a weight tensor [outputs, ...]: words uint32 [tiles, bits, W, 32], and sums int32 [32 · tiles].

    The words of a convolution are those of one kernel position after another; kernel is (1, 1) for a matrix.
    """

    words: Words
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
    width = planes.shape[2]
    by_output = planes.reshape(bits, outputs, positions * width).transpose(1, 0, 2).reshape(outputs, -1)
    words = tiled(by_output)
    sums = aligned_zeros(len(words) * LANES, np.int32)
    sums[:outputs] = codes.reshape(outputs, -1).sum(axis=1, dtype=np.int64)
    return PlaneWeights(words.reshape(len(words), bits, positions * width, LANES), sums, outputs, depth, kernel)


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
    """runs: [planes, stretches of words], see `_mismatches.sign_products`."""
    largest = weights.depth * weights.kernel[0] * weights.kernel[1] * (2 ** len(x) - 1) * (2**weights.bits - 1)
    if largest >= 2**31:
        raise ValueError(f"A sum of products of up to {largest} does not fit into 32 bits.")
    y = aligned((len(places), weights.outputs), np.int32) if out is None else out
    if y.shape != (len(places), weights.outputs) or y.dtype != np.int32 or not y.flags.c_contiguous:
        raise ValueError(f"The product is int32 {(len(places), weights.outputs)} in C order; the array for it is not.")
    words = weights.words.shape[2] // runs.shape[1]
    paired = words_for(weights.depth) > 1
    units = -(-len(places) // ROWS) * len(weights.words)
    length = words // 2 if paired else words
    arguments = (x.reshape(-1), places, np.ascontiguousarray(runs), length, paired, weights.words.reshape(-1))
    x_parts = sums.astype(np.uint32) * np.uint32(2**weights.bits - 1)
    w_parts = weights.sums.astype(np.uint32) * np.uint32(2 ** len(x) - 1)
    split(_multiply_planes, units, threads, *arguments, weights.bits, x_parts, w_parts, y.reshape(-1), weights.outputs)
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


@jit
def _multiply_planes(  # type: ignore[no-untyped-def]
    x, places, runs, length, paired, w, w_planes, x_parts, w_parts, y, outputs, start, stop
):
    """Units start..stop of the product, a unit being ROWS rows and 32 outputs.

    The last rows are taken together with some of those before them, which are then computed twice.
    """
    rows = len(places)
    tiles = (outputs + LANES - 1) // LANES
    x_planes = len(runs)
    plane_words = runs.shape[1] * length * (2 if paired else 1) * LANES
    totals = np.empty(ROWS * LANES, np.uint32)
    for unit in range(start, stop):
        block, tile = unit // tiles, unit % tiles
        several = rows >= ROWS
        first = max(min(block * ROWS, rows - ROWS), 0)
        for row in range(first, first + 1 if several else rows):
            totals[:] = np.uint32(0)
            for m in range(x_planes):
                for n in range(w_planes):
                    at = (tile * w_planes + n) * plane_words
                    if several and paired:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, ROWS, 1)
                    elif several:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, ROWS, 0)
                    elif paired:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, 1, 1)
                    else:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, 1, 0)
            column = tile * LANES
            for r in range(ROWS if several else 1):
                to = (row + r) * outputs + column
                if column + LANES <= outputs:
                    both = load(w_parts, column, LANES) + x_parts[row + r]
                    found = (both - load(totals, r * LANES, LANES)) >> 1
                    store(y, to, view(found, np.int32))
                else:
                    for lane in range(outputs - column):
                        both = np.int64(x_parts[row + r]) + np.int64(w_parts[column + lane])
                        y[to + lane] = (both - np.int64(totals[r * LANES + lane])) >> 1
