"""Products of signs: 32 of them in one word, multiplied and summed by xor and popcount.

A sign is +1 for a value ≥ 0, −0.0 included, and −1 for one below zero or not a number. With K signs on both sides and d
of them different, the product is K − 2d (Rastegari et al., XNOR-Net, ECCV 2016, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.kernels.binary.words import BY_LOOK_UP, LANES, multiply_signs, paired, tiled, words_for
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.aligned import aligned, aligned_zeros

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]
Tiles = NDArray[Any]

_ONE_RUN = np.zeros(1, np.int64)
_MOST = 2**24  # signs in a product; float32 holds whole numbers up to here


@dataclass(frozen=True, eq=False)
class SignRows:
    """Signs of a matrix [rows, depth], packed along its rows.

    words: uint32 [rows, W], W = `words_for(depth)`; bit i of word k is sign 32k + i, set for +1, unused bits zero.
    Words that are `paired` are stored as (a, a ^ b).
    """

    words: Words
    depth: int


@dataclass(frozen=True, eq=False)
class SignWeights:
    """Signs of a weight tensor [outputs, ...], one scale and one bias per output.

    words: tiles of LANES outputs side by side as `words.tiled` lays them, each output's words as in `SignRows`; outputs
    beyond the last are zero. scale, bias: float32 [LANES · tiles]. kernel: (height, width) of a convolution, whose
    words are those of one position after another, each with the input channels packed by themselves; (1, 1) for a
    matrix.
    depth: input channels, or columns of the matrix. plus: int32 [height · width, LANES · tiles], how many signs at a
    position are +1.
    """

    words: Tiles
    outputs: int
    depth: int
    kernel: tuple[int, int]
    scale: Floats
    bias: Floats
    plus: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes held for the signs and scales."""
        return sum(one.nbytes for one in (self.words, self.scale, self.bias, self.plus))


def pack_signs(values: Floats) -> SignRows:
    """Signs of `values` [rows, depth], float32. Raises ValueError for anything else."""
    _check_floats("values", values, 2)
    words = aligned((len(values), words_for(values.shape[1])), np.uint32)
    _pack_rows(np.ascontiguousarray(values), words)
    return SignRows(words, values.shape[1])


def pack_sign_weights(weights: Floats, scale: Floats | None = None, bias: Floats | None = None) -> SignWeights:
    """Signs of `weights`, [outputs, depth] or [outputs, channels, height, width], float32.

    scale, bias: [outputs], 1 and 0 by default. Raises ValueError for other shapes.
    """
    if weights.ndim not in (2, 4):
        raise ValueError(f"Weights of a binary product have 2 or 4 dimensions, not {weights.ndim}.")
    _check_floats("weights", weights, weights.ndim)
    outputs, depth = weights.shape[:2]
    if not 1 <= weights[0:1].size <= _MOST:
        raise ValueError(f"A binary product sums 1 to {_MOST} signs, not {weights[0:1].size}.")
    kernel = (weights.shape[2], weights.shape[3]) if weights.ndim == 4 else (1, 1)
    positions = kernel[0] * kernel[1]
    by_position = np.moveaxis(weights.reshape(outputs, depth, positions), 1, 2)  # [outputs, positions, depth]
    rows = pack_signs(np.ascontiguousarray(by_position).reshape(-1, depth)).words
    padded = -(-outputs // LANES) * LANES
    plus = np.zeros((positions, padded), np.int32)
    plus[:, :outputs] = np.count_nonzero(by_position >= 0, axis=2).T
    return SignWeights(
        tiled(rows.reshape(outputs, -1)),
        outputs,
        depth,
        kernel,
        _per_output("scale", scale, outputs, 1.0),
        _per_output("bias", bias, outputs, 0.0),
        plus,
    )


def gemm_binary(x: SignRows, weights: SignWeights, threads: int = 1, out: Floats | None = None) -> Floats:
    """[rows, outputs] = scale · (signs of x · signs of the weights) + bias, float32; written to `out` if given.

    Raises ValueError where the two, or `out`, do not fit.
    """
    if weights.kernel != (1, 1) or x.depth != weights.depth:
        raise ValueError(f"Rows of {x.depth} signs do not fit weights of {weights.depth} by {weights.kernel}.")
    y = output(out, (len(x.words), weights.outputs))
    bases = _bases(x.depth, weights.scale.size)
    multiply(x.words.reshape(-1), row_places(*x.words.shape), _ONE_RUN, weights, bases, y, threads)
    return y


@lru_cache(maxsize=64)
def row_places(rows: int, width: int) -> NDArray[np.int64]:
    """Where rows of `width` words begin, all with the same bases; see `mismatches.sign_products`."""
    places = np.zeros((rows, 2), np.int64)
    places[:, 0] = np.arange(rows) * width
    return places


@lru_cache(maxsize=64)
def _bases(depth: int, outputs: int) -> Floats:
    return np.full(outputs, depth, np.float32)


def output(out: Floats | None, shape: tuple[int, ...]) -> Floats:
    """`out`, or a new array of `shape`. Raises ValueError where `out` is another one."""
    if out is None:
        return aligned(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(f"The product is float32 {shape} in C order; the array to write it to is not.")
    return out


def multiply(
    x: Words,
    places: NDArray[np.int64],
    runs: NDArray[np.int64],
    weights: SignWeights,
    bases: Floats,
    y: Floats,
    threads: int,
) -> None:
    """y [rows, outputs] of the rows of words at `places`, see `mismatches.sign_products`; nothing is checked."""
    width = words_for(weights.depth)
    length = width * weights.kernel[0] * weights.kernel[1] // runs.size
    arguments = (x, places, runs, length, paired(width), weights.words, bases, weights.scale, weights.bias)
    multiply_signs(*arguments, y, weights.outputs, threads)


def _check_floats(name: str, values: Floats, dimensions: int) -> None:
    if values.dtype != np.float32 or values.ndim != dimensions:
        raise ValueError(f"The {name} are float32 in {dimensions} dimensions, not {values.dtype} in {values.ndim}.")


def _per_output(name: str, values: Floats | None, outputs: int, default: float) -> Floats:
    if values is not None and values.shape != (outputs,):
        raise ValueError(f"A binary product of {outputs} outputs takes as many for its {name}, not {values.shape}.")
    padded = aligned_zeros(-(-outputs // LANES) * LANES, np.float32)
    padded[:outputs] = default if values is None else values
    return padded


@intrinsic
def sign_word(typingctx, values, index):  # type: ignore[no-untyped-def]
    """The signs of 32 floats from `index` of a C-contiguous array on, as uint32."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        kind = ir.VectorType(ir.FloatType(), 32)
        found = builder.load(builder.bitcast(builder.gep(data, [index]), kind.as_pointer()))
        found.align = 4
        return builder.bitcast(builder.fcmp_ordered(">=", found, ir.Constant(kind, None)), ir.IntType(32))

    return types.uint32(values, index), codegen


@jit
def _pack_rows(values, words):  # type: ignore[no-untyped-def]
    rows, depth = values.shape
    flat = values.reshape(-1)
    for row in range(rows):
        pack_run(flat, row * depth, depth, words[row])


@jit
def pack_run(values, start, depth, words):  # type: ignore[no-untyped-def]
    """Signs of `depth` floats of a flat array from `start` on, into `words`, as in `SignRows`."""
    whole = depth // 32
    for word in range(whole):
        words[word] = sign_word(values, start + 32 * word)
    for word in range(whole, words.size):
        bits = np.uint32(0)
        for i in range(depth - 32 * word):
            if values[start + 32 * word + i] >= 0:
                bits |= np.uint32(1 << i)
        words[word] = bits
    if not BY_LOOK_UP:
        for word in range(1, words.size, 2):
            words[word] ^= words[word - 1]
