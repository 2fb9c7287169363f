"""Sparse convolution: a kernel [out, in / groups, kh, kw] of which few weights survive, over dense images.

A weight multiplies a whole image plane, shifted by its place in the kernel (Park et al., Faster CNNs with direct sparse
convolutions, ICLR 2017). An image is padded with zeros first, and split into one plane for each place modulo the
stride, so that neighbouring outputs are neighbours in memory; some rows of one plane of outputs are then computed as
one long row, with the padding between two image rows computed, too, and dropped. Weights are decoded from what their
encoding stores, a block of outputs at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.kernels.compiler.jit import jit
from workbench.kernels.sparse.decode import BLOCK, ROWS, block_room, decode, row_scales, whole_table
from workbench.kernels.sparse.row_sums import sum_rows
from workbench.kernels.sparse.stream import SparseStream
from workbench.kernels.sparse.survivors import Floats
from workbench.kernels.sparse.tiles import WIDEST
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.lookups import bit_count, item, store_some
from workbench.kernels.vector.registers import load, store
from workbench.kernels.vector.selection import LANES, compressed
from workbench.kernels.vector.stretches import clear, scratch

Pair = tuple[int, int]
_NO_BIAS = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class SparseConvolution:
    """A convolution; shape: [out, in / groups, kh, kw]; matrix: the kernel as [out, in / groups · kh · kw].

    Raises ValueError where the matrix is of another shape than the kernel, a stride or dilation is below 1, a padding
    below 0, or the outputs do not divide into groups.
    """

    matrix: SparseStream
    shape: tuple[int, int, int, int]
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        out, channels, height, width = self.shape
        if self.matrix.shape != (out, channels * height * width):
            raise ValueError(f"A matrix {list(self.matrix.shape)} is no kernel {list(self.shape)}.")
        if min(*self.stride, *self.dilation, self.groups) < 1 or min(self.padding) < 0 or out % self.groups:
            raise ValueError(
                f"A convolution with {out} outputs cannot have stride {self.stride}, padding {self.padding}, dilation "
                f"{self.dilation} and {self.groups} groups."
            )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return self.matrix.nbytes

    def output_size(self, height: int, width: int) -> Pair:
        """Height and width of what comes out of an image. Raises ValueError where the kernel does not fit into it."""
        (_, _, tall, broad), (down, across) = self.shape, self.dilation
        room_y = height + 2 * self.padding[0] - down * (tall - 1) - 1
        room_x = width + 2 * self.padding[1] - across * (broad - 1) - 1
        if room_y < 0 or room_x < 0:
            raise ValueError(f"A kernel of {self.shape[2:]} does not fit into an image of {height}×{width}.")
        return room_y // self.stride[0] + 1, room_x // self.stride[1] + 1

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """Convolve `x`, float32 [images, in, height, width], to [images, out, height, width].

        Raises ValueError where x or the bias is of another type or shape.
        """
        out, channels = self.shape[:2]
        if x.dtype != np.float32 or x.ndim != 4 or x.shape[1] != channels * self.groups:
            raise ValueError(
                f"Images are float32 [images, {channels * self.groups}, height, width], not {x.dtype} {list(x.shape)}."
            )
        if bias is None:
            bias = _NO_BIAS
        elif bias.shape != (out,) or bias.dtype != np.float32:
            raise ValueError(f"A bias for {out} outputs is float32 [{out}], not {bias.dtype} {list(bias.shape)}.")
        images, _, height, width = x.shape
        y = np.empty((images, out, *self.output_size(height, width)), np.float32)
        if not y.size:
            return y
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        ways = (self.groups, *self.shape[2:], *self.stride, *self.padding, *self.dilation)
        units = images * self.matrix.blocks
        if threads == 1:  # a call takes a few microseconds, of which `split` would take its share
            _convolve(self.matrix.arrays, ways, bias, x, y, 0, units)
        else:
            split(_convolve, units, threads, self.matrix.arrays, ways, bias, x, y)
        return y


@jit
def _offsets(channels, kernel, step, phases, dilation, plane, pitch):  # type: ignore[no-untyped-def]
    """Where the shifted plane of each weight of an output begins, int32 [in / groups · kh · kw]."""
    found = scratch(channels * kernel[0] * kernel[1], np.int32)
    k = 0
    for channel in range(channels):
        for row in range(0, kernel[0] * dilation[0], dilation[0]):
            for column in range(0, kernel[1] * dilation[1], dilation[1]):
                phase = (channel * phases[0] + row % step[0]) * phases[1] + column % step[1]
                found[k] = phase * plane + row // step[0] * pitch + column // step[1]
                k += 1
    return found


@jit
def _spread(x, image, step, phases, pad, rows, pitch, planes):  # type: ignore[no-untyped-def]
    """The channels of an image as a plane [rows, pitch] for each phase of its places, zero outside the image."""
    channels, height, width = x.shape[1:]
    to = 0
    for channel in range(channels):
        source_0 = (image * channels + channel) * height * width
        for phase_y in range(phases[0]):
            for phase_x in range(phases[1]):
                shift = phase_x - pad[1]
                first = min(max((-shift + step[1] - 1) // step[1], 0), pitch)
                last = min(max((width - shift + step[1] - 1) // step[1], first), pitch)
                for row in range(rows):
                    source = row * step[0] + phase_y - pad[0]
                    if source < 0 or source >= height:
                        clear(planes, to, to + pitch)
                    else:
                        clear(planes, to, to + first)
                        begin = source_0 + source * width + shift
                        if step[1] == 1:
                            for column in range(first, last):
                                planes[to + column] = item(x, begin + column)
                        else:
                            for column in range(first, last):
                                planes[to + column] = item(x, begin + column * step[1])
                        clear(planes, to + last, to + pitch)
                    to += pitch
    clear(planes, to, planes.size)


@jit(fast_math=True)
def _convolve(stream, ways, bias, x, y, start, stop):  # type: ignore[no-untyped-def]
    """Units start..stop of (image, block), images outside."""
    groups, kernel, step, pad, dilation = ways[0], ways[1:3], ways[3:5], ways[5:7], ways[7:9]
    out, out_height, out_width = y.shape[1:]
    rows = -(-(x.shape[2] + 2 * pad[0]) // step[0])
    pitch = -(-(x.shape[3] + 2 * pad[1]) // step[1])
    plane = rows * pitch
    facts = stream[7]
    blocks = stream[6].size // 2 - 1
    channels = x.shape[1] // groups
    # Of an image, only the places that some weight meets are spread.
    phases = (min(step[0], (kernel[0] - 1) * dilation[0] + 1), min(step[1], (kernel[1] - 1) * dilation[1] + 1))
    group_rows, group_planes = out // groups, channels * phases[0] * phases[1] * plane
    offsets = _offsets(channels, kernel, step, phases, dilation, plane, pitch)
    span = (out_height - 1) * pitch + out_width
    as_is = step[0] == 1 and step[1] == 1 and pad[0] == 0 and pad[1] == 0 and span >= 8
    # Tiles are read to their end, so there is some room behind the planes.
    planes = x.reshape(-1) if as_is else scratch(groups * group_planes + WIDEST, np.float32)
    room = block_room(stream, np.int64(0), blocks)
    table, scales = whole_table(stream), row_scales(stream)
    places, room_for_values = scratch(room, np.int32), scratch(room, np.float32)
    ends = scratch(facts[BLOCK] + 1, np.int64)
    most = 0
    for block in range(blocks):
        most = max(most, min(facts[BLOCK], facts[ROWS] - block * facts[BLOCK]))
    sums = scratch(most * WIDEST + 16, np.float32)
    masks = scratch(WIDEST // LANES + 1, np.int64)
    values, shift = room_for_values, 0
    spread, decoded = -1, -1
    for unit in range(start, stop):
        image, block = unit // blocks, unit % blocks
        row_0 = block * facts[BLOCK]
        height = min(facts[BLOCK], facts[ROWS] - row_0)
        if image != spread:
            spread = image
            if not as_is:
                _spread(x, image, step, phases, pad, rows, pitch, planes)
        if block != decoded:
            decoded = block
            values, shift = decode(stream, table, block, 1, places, room_for_values, ends)
            _locate(places, ends, height, offsets)
        x_0 = image * groups * group_planes if as_is else 0
        to = (image * out + row_0) * out_height * out_width
        left = 0
        while left < span:
            lanes = WIDEST
            while lanes > 8 and (lanes >= 2 * (span - left) or (as_is and lanes > span)):
                lanes >>= 1
            if as_is:  # nothing beyond the image is read: some outputs are computed twice
                left = min(left, span - lanes)
            begin = x_0 + left
            sum_rows(
                lanes, places, values, shift, ends, row_0, height, planes, begin, group_rows, group_planes,
                scales, bias, sums,
            )  # fmt: skip
            _valid(left, min(left + lanes, span), pitch, out_width, masks)
            begin = to + left // pitch * out_width + min(left % pitch, out_width)
            _crop(sums, lanes, height, masks, y, begin, out_height * out_width)
            left += lanes


@jit
def _locate(places, ends, height, offsets):  # type: ignore[no-untyped-def]
    """Places in the block become places in the planes."""
    row_place = 0
    for row in range(height):
        for i in range(ends[row], ends[row + 1]):
            places[i] = item(offsets, item(places, i) - row_place)
        row_place += offsets.size


@jit
def _valid(start, stop, pitch, out_width, masks):  # type: ignore[no-untyped-def]
    """Which of start..stop of a long row are outputs and not between two image rows, `LANES` a mask."""
    column = start % pitch
    clear(masks, 0, masks.size)
    for i in range(stop - start):
        if column < out_width:
            masks[i // LANES] |= 1 << (i % LANES)
        column += 1
        if column == pitch:
            column = 0


@jit
def _crop(sums, lanes, height, masks, y, to, plane):  # type: ignore[no-untyped-def]
    """Each row of `sums` [height, lanes] to its `plane` of `y`, from `to` on, without what `masks` leave out."""
    for row in range(height):
        at = to
        for part in range((lanes + LANES - 1) // LANES):
            mask = item(masks, part)
            kept = bit_count(mask)
            if kept == LANES:
                store(y, at, load(sums, row * lanes + LANES * part, LANES))
            else:
                store_some(y, at, compressed(load(sums, row * lanes + LANES * part, LANES), mask), kept)
            at += kept
        to += plane
