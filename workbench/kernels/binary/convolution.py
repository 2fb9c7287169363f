"""Convolution of signs with signs, on the packed input itself: every pixel's channels in words, pixels row by row.

A position of the kernel that lies in the padding adds nothing: the words there are zero and its count is taken back,
for each of the few ways in which a window can leave the image.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.kernels.binary.signs import Floats, SignWeights, Words, multiply, output, pack_run
from workbench.kernels.binary.words import BY_LOOK_UP, words_for
from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.codegen import Vector
from workbench.kernels.vector.registers import splat, store

Pair = tuple[int, int]


def conv_binary(
    x: Floats,
    weights: SignWeights,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    threads: int = 1,
    out: Floats | None = None,
) -> Floats:
    """scale · (signs of x ∗ signs of the weights) + bias, float32 [images, outputs, height, width].

    Padding counts as 0. x: float32 [images, channels, height, width], binarised here; in C order or with the channels
    last in memory. The result has the channels last in memory: it is a view of `out`, float32 [images, height, width,
    outputs], if given. Raises ValueError for an input that does not fit the weights, or a window larger than the padded
    image.
    """
    if x.ndim != 4 or x.dtype != np.float32 or x.shape[1] != weights.depth:
        raise ValueError(
            f"A binary convolution of {weights.depth} channels takes float32 [images, {weights.depth}, height, width], "
            f"not {x.dtype} {list(x.shape)}."
        )
    stride, padding = as_pair("stride", stride, 1), as_pair("padding", padding, 0)
    dilation = as_pair("dilation", dilation, 1)
    images, channels, _, width = x.shape
    shape, places, ways = windows(
        x.shape, words_for(channels), weights.scale.size, weights.kernel, stride, padding, dilation
    )
    y = output(out, (images, *shape, weights.outputs))
    words = pack_images(x, padding, threads)
    bases = np.empty((len(ways), weights.scale.size), np.float32)
    _bases(ways, weights.plus, channels, bases)
    runs = runs_of(width + 2 * padding[1], words.shape[3], weights.kernel, dilation)
    flat = y.reshape(-1, weights.outputs)
    multiply(words.reshape(-1), places, runs, weights, bases.reshape(-1), flat, threads)
    return y.transpose(0, 3, 1, 2)


def pack_images(x: Floats, padding: Pair = (0, 0), threads: int = 1) -> Words:
    """Signs of `x` [images, channels, height, width], as words [images, height + 2p, width + 2q, W].

    The padding (p, q) is zero. The words of a pixel are those of a row in `signs.SignRows`.
    """
    images, channels, height, width = x.shape
    down, right = padding
    words = np.zeros((images, height + 2 * down, width + 2 * right, words_for(channels)), np.uint32)
    inner = words[:, down : down + height, right : right + width]
    last = x.transpose(0, 2, 3, 1)
    if last.flags.c_contiguous and not x.flags.c_contiguous:
        split(_pack_channels_last, images * height, threads, last, inner)
    else:
        split(_pack_channels_first, images * -(-words.shape[3] // 2), threads, np.ascontiguousarray(x), inner)
    return words


def as_pair(name: str, value: int | Pair, least: int) -> Pair:
    """`value` for both axes. Raises ValueError below `least`."""
    pair = (value, value) if isinstance(value, int) else value
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(f"The {name} of a convolution is {least} or more, not {value}.")
    return pair


@lru_cache(maxsize=64)
def windows(
    shape: tuple[int, ...], words: int, outputs: int, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[Pair, NDArray[np.int64], NDArray[np.bool_]]:
    """The result's height and width; for each of its pixels where its window's words begin and where its bases; and
    which positions of the kernel lie inside the image, [ways in which a window can leave the image, kernel positions].
    """
    starts, ways, of_pixel = [], [], []
    for axis in (0, 1):
        size, reach = shape[2 + axis], dilation[axis] * (kernel[axis] - 1) + 1
        if size + 2 * padding[axis] < reach:
            raise ValueError(f"A window of {reach} is larger than {size} pixels and the padding of {padding[axis]}.")
        start = np.arange(0, size + 2 * padding[axis] - reach + 1, stride[axis])
        at = start[:, None] + dilation[axis] * np.arange(kernel[axis]) - padding[axis]
        way, index = np.unique((at >= 0) & (at < size), axis=0, return_inverse=True)
        starts.append(start)
        ways.append(way)
        of_pixel.append(index.reshape(-1))
    inside = ways[0][:, None, :, None] & ways[1][None, :, None, :]
    pixels = (shape[0], len(starts[0]), len(starts[1]))
    padded = (shape[2] + 2 * padding[0], shape[3] + 2 * padding[1])
    row = np.arange(shape[0])[:, None, None] * padded[0] + starts[0][:, None]
    places = np.empty((*pixels, 2), np.int64)
    places[..., 0] = (row * padded[1] + starts[1]) * words
    places[..., 1] = (of_pixel[0][:, None] * len(ways[1]) + of_pixel[1]) * outputs
    return pixels[1:], places.reshape(-1, 2), np.ascontiguousarray(inside.reshape(-1, kernel[0] * kernel[1]))


@lru_cache(maxsize=64)
def runs_of(width: int, words: int, kernel: Pair, dilation: Pair) -> NDArray[np.int64]:
    """Where the stretches of a window's words begin: rows of the kernel, or single positions where it is dilated."""
    across = np.arange(kernel[1]) * dilation[1] if dilation[1] > 1 else np.zeros(1, np.int64)
    return np.ascontiguousarray(((np.arange(kernel[0]) * dilation[0] * width)[:, None] + across).reshape(-1) * words)


@jit
def _bases(ways, plus, channels, bases):  # type: ignore[no-untyped-def]
    """Terms K of K − 2d: the signs inside the image, and twice what the positions outside add to d, bits of +1."""
    for way in range(len(ways)):
        inside = np.float32(0)
        for position in range(ways.shape[1]):
            if ways[way, position]:
                inside += channels
        for column in range(bases.shape[1]):
            bases[way, column] = inside
        for position in range(ways.shape[1]):
            if not ways[way, position]:
                for column in range(bases.shape[1]):
                    bases[way, column] += 2 * plus[position, column]


@jit
def _pack_channels_last(x, words, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of all images."""
    _, height, width, channels = x.shape
    flat = x.reshape(-1)
    for row in range(start, stop):
        for column in range(width):
            pack_run(flat, (row * width + column) * channels, channels, words[row // height, row % height, column])


@jit
def _pack_channels_first(x, words, start, stop):  # type: ignore[no-untyped-def]
    """Units start..stop, a unit being a pair of words of every pixel of an image, or the only word."""
    _, channels, height, width = x.shape
    pixels = height * width
    flat = x.reshape(-1)
    across = words.shape[3]
    pairs = (across + 1) // 2
    first, second = np.empty(pixels, np.uint32), np.empty(pixels, np.uint32)
    for unit in range(start, stop):
        image, word = unit // pairs, unit % pairs * 2
        here = image * channels + 32 * word
        _sign_bits(flat, here * pixels, min(channels - 32 * word, 32), first)
        both = word + 1 < across
        if both:
            _sign_bits(flat, (here + 32) * pixels, min(channels - 32 * word - 32, 32), second)
        for row in range(height):
            for column in range(width):
                pixel = row * width + column
                words[image, row, column, word] = first[pixel]
                if both:
                    other = second[pixel] if BY_LOOK_UP else first[pixel] ^ second[pixel]
                    words[image, row, column, word + 1] = other


@jit
def _sign_bits(values, start, channels, bits):  # type: ignore[no-untyped-def]
    """Bit c of bits[p] = sign of values[start + c · pixels + p], for c in 0..channels."""
    pixels = bits.size
    pixel = 0
    while pixel + 64 <= pixels:
        many = splat(np.uint32(0), 64)
        for channel in range(channels):
            many = with_signs(many, values, start + channel * pixels + pixel, channel)
        store(bits, pixel, many)
        pixel += 64
    while pixel < pixels and pixels >= 16:
        pixel = min(pixel, pixels - 16)  # the last ones are taken together with some of those before them
        some = splat(np.uint32(0), 16)
        for channel in range(channels):
            some = with_signs(some, values, start + channel * pixels + pixel, channel)
        store(bits, pixel, some)
        pixel += 16
    while pixel < pixels:
        bits[pixel] = 0
        for channel in range(channels):
            if values[start + channel * pixels + pixel] >= 0:
                bits[pixel] |= np.uint32(1) << np.uint32(channel)
        pixel += 1


@intrinsic
def with_signs(typingctx, found, values, index, bit):  # type: ignore[no-untyped-def]
    """`found`, uint32 lanes, with bit number `bit` set where the floats of a flat array, from `index` on, are ≥ 0."""
    if not (isinstance(found, Vector) and found.dtype == types.uint32 and isinstance(bit, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        data = context.make_array(sig.args[1])(context, builder, args[1]).data
        index = context.cast(builder, args[2], sig.args[2], types.intp)
        kind = ir.VectorType(ir.FloatType(), found.lanes)
        floats = builder.load(builder.bitcast(builder.gep(data, [index]), kind.as_pointer()))
        floats.align = 4
        undefined = ir.Constant(args[0].type, ir.Undefined)
        number = context.cast(builder, args[3], sig.args[3], types.uint32)
        one = builder.insert_element(undefined, builder.shl(ir.IntType(32)(1), number), ir.IntType(32)(0))
        bits = builder.shuffle_vector(one, undefined, ir.Constant(args[0].type, None))
        there = builder.fcmp_ordered(">=", floats, ir.Constant(kind, None))
        return builder.or_(args[0], builder.select(there, bits, ir.Constant(bits.type, None)))

    return found(found, values, index, bit), codegen
