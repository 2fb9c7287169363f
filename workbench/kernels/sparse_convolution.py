"""Sparse convolution: a kernel [out, in / groups, kh, kw] of which few weights survive, over dense images.

A weight multiplies a whole image plane, shifted by its place in the kernel (Park et al., Faster CNNs with direct sparse
convolutions, ICLR 2017). Images are padded with zeros first, and split into one plane for each place modulo the stride,
so that neighbouring outputs are neighbours in memory; the outputs of one plane are then computed as one long row, with
the padding between two image rows computed, too, and dropped. Where outputs share an input, the shifted planes of a
panel of weights are copied to L1 first (im2col of one tile at a time); else they are read where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _threads
from workbench.kernels._jit import jit
from workbench.kernels._memory import aligned
from workbench.kernels._sparse_vector import WIDEST, item, lanes_of, load_some, scaling_of, scratch, store_some, weight
from workbench.kernels._survivors import Floats, Survivors
from workbench.kernels._tiles import tiles
from workbench.kernels._vector import fma, load, splat, store
from workbench.kernels.sparse_csr import RowCsr
from workbench.kernels.sparse_panel import PANEL, PanelCsr, add_rows

Pair = tuple[int, int]
_SHARED = 2  # survivors of one input that make copying it worth while


@dataclass(frozen=True, eq=False)
class SparseConvolution:
    """A convolution; shape: [out, in / groups, kh, kw]; matrix: the kernel as [out, in / groups · kh · kw]."""

    shape: tuple[int, int, int, int]
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    matrix: RowCsr | PanelCsr

    @classmethod
    def of(
        cls,
        survivors: Survivors,
        shape: tuple[int, int, int, int],
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
        copied: bool | None = None,
    ) -> SparseConvolution:
        """copied: whether to copy shifted planes to L1 first; None lets the number of survivors decide.

        Raises ValueError where the survivors are of another shape than the kernel, a stride or dilation is below 1, a
        padding below 0, the outputs do not divide into groups, or `copied` is asked for with groups.
        """
        out, channels, height, width = shape
        if survivors.shape != (out, channels * height * width):
            raise ValueError(f"Survivors of a matrix {list(survivors.shape)} do not make a kernel {list(shape)}.")
        if min(*stride, *dilation, groups) < 1 or min(padding) < 0 or out % groups:
            raise ValueError(
                f"A convolution with {out} outputs cannot have stride {stride}, padding {padding}, dilation {dilation} "
                f"and {groups} groups."
            )
        if groups > 1 and copied:
            raise ValueError("Shifted planes are shared by all outputs only where there is one group.")
        fits = survivors.levels is None or survivors.levels.groups == 1 or survivors.levels.group <= PANEL
        if copied is None:
            copied = groups == 1 and fits and survivors.density * out >= _SHARED
        half = max(-(-out // 2), 1)  # so that two threads share a single tile
        matrix = PanelCsr.of(survivors, min(half, 2**16)) if copied else RowCsr.of(survivors)
        return cls(shape, stride, padding, dilation, groups, matrix)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return self.matrix.nbytes

    def output_size(self, height: int, width: int) -> Pair:
        """Height and width of what comes out of an image. Raises ValueError where the kernel does not fit into it."""
        sizes = []
        for i, (size, kernel) in enumerate(zip((height, width), self.shape[2:], strict=True)):
            room = size + 2 * self.padding[i] - self.dilation[i] * (kernel - 1) - 1
            if room < 0:
                raise ValueError(f"A kernel of {self.shape[2:]} does not fit into an image of {height}×{width}.")
            sizes.append(room // self.stride[i] + 1)
        return sizes[0], sizes[1]

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
            bias = np.zeros(out, np.float32)
        elif bias.shape != (out,) or bias.dtype != np.float32:
            raise ValueError(f"A bias for {out} outputs is float32 [{out}], not {bias.dtype} {list(bias.shape)}.")
        size = self.output_size(*x.shape[2:])
        y = aligned((x.shape[0], out, *size), np.float32)
        if not y.size:
            return y
        rows, pitch = (-(-(x.shape[2 + i] + 2 * self.padding[i]) // self.stride[i]) for i in range(2))
        plane = rows * pitch
        image = x.shape[1] * self.stride[0] * self.stride[1] * plane
        planes = aligned(x.shape[0] * image + WIDEST, np.float32)  # tiles are read to their end
        planes[x.shape[0] * image :] = 0
        source = np.ascontiguousarray(x).reshape(-1)
        _threads.split(
            _spread,
            x.shape[0] * x.shape[1],
            threads,
            source,
            *x.shape[2:],
            *self.stride,
            *self.padding,
            rows,
            pitch,
            planes,
        )
        offsets = _offsets(self.shape[1:], self.stride, self.dilation, plane, pitch)
        place = (planes, image, offsets, pitch, *size)
        ends = (place, np.ascontiguousarray(bias), y.reshape(-1))
        for left, count, width in tiles((size[0] - 1) * pitch + size[1]):
            if isinstance(self.matrix, PanelCsr):
                matrix, units = self.matrix, x.shape[0] * count * -(-out // self.matrix.stripe)
                arguments = (matrix.arrays(), matrix.panel, matrix.stripe, *ends, left, count, matrix.ways(width))
                _threads.split(_copied, units, threads, *arguments)
            else:
                part = (out // self.groups, image // self.groups)
                arguments = (self.matrix.arrays(), *part, *ends, left, count, width)
                _threads.split(_direct, x.shape[0] * out, threads, *arguments)
        return y


@lru_cache(maxsize=256)
def _offsets(kernel: tuple[int, int, int], stride: Pair, dilation: Pair, plane: int, pitch: int) -> NDArray[np.int64]:
    """Where the shifted plane of each weight of an output begins, int64 [in / groups · kh · kw]."""
    channel, row, column = np.indices(kernel)
    row, column = row * dilation[0], column * dilation[1]
    phase = (channel * stride[0] + row % stride[0]) * stride[1] + column % stride[1]
    return (phase * plane + row // stride[0] * pitch + column // stride[1]).reshape(-1).astype(np.int64)


@jit
def _spread(x, height, width, step_y, step_x, pad_y, pad_x, rows, pitch, planes, start, stop):  # type: ignore[no-untyped-def]
    """Channels start..stop (of all images) as step_y · step_x planes [rows, pitch] each, zero outside the image."""
    for channel in range(start, stop):
        for phase_y in range(step_y):
            for phase_x in range(step_x):
                to = ((channel * step_y + phase_y) * step_x + phase_x) * rows * pitch
                for row in range(rows):
                    source = row * step_y + phase_y - pad_y
                    if source < 0 or source >= height:
                        for column in range(pitch):
                            planes[to + column] = 0
                    else:
                        shift = phase_x - pad_x
                        first = min(max((-shift + step_x - 1) // step_x, 0), pitch)
                        last = min(max((width - shift + step_x - 1) // step_x, first), pitch)
                        for column in range(first):
                            planes[to + column] = 0
                        begin = (channel * height + source) * width + shift
                        if step_x == 1:
                            for column in range(first, last):
                                planes[to + column] = x[begin + column]
                        else:
                            for column in range(first, last):
                                planes[to + column] = x[begin + column * step_x]
                        for column in range(last, pitch):
                            planes[to + column] = 0
                    to += pitch


@jit(fast_math=True)
def _copied(matrix, panel, stripe_rows, place, bias, y, left, count, ways, start, stop):  # type: ignore[no-untyped-def]
    """Units start..stop of (image, tile, stripe), images outside; shifted planes are copied a panel at a time."""
    planes, image, offsets, pitch, out_height, out_width = place
    scale, width, scaling = matrix[8], ways[0], ways[1]
    lanes = lanes_of(width)
    stripes = -(-bias.size // stripe_rows)
    inputs = offsets.size
    tile_x = scratch(panel * lanes)
    tile_y = scratch(bias.size * lanes)
    for unit in range(start // stripes, -(-stop // stripes)):
        low, high = max(start - unit * stripes, 0), min(stop - unit * stripes, stripes)
        first_row, last_row = low * stripe_rows, min(high * stripe_rows, bias.size)
        number = unit // count
        at = left + unit % count * lanes
        for row in range(first_row, last_row):
            initial = item(bias, row) if scaling_of(scaling) == 0 else np.float32(0)
            store(tile_y, row * lanes, splat(initial, lanes))
        for part in range(-(-inputs // panel)):
            to = 0
            for k in range(part * panel, min(inputs, (part + 1) * panel)):
                store(tile_x, to, load(planes, number * image + item(offsets, k) + at, lanes))
                to += lanes
            for stripe in range(low, high):
                pair = part * stripes + stripe
                add_rows(matrix, pair, stripe * stripe_rows, part, bias.size, tile_x, 0, tile_y, 0, ways)
        if scaling_of(scaling) > 0:
            for row in range(first_row, last_row):
                factor = splat(item(scale, row) if scaling_of(scaling) == 1 else np.float32(1), lanes)
                total = load(tile_y, row * lanes, lanes)
                store(tile_y, row * lanes, fma(total, factor, splat(item(bias, row), lanes)))
        _crop(tile_y, first_row, last_row, number * bias.size, at, pitch, out_height, out_width, y, width)


@jit
def _crop(tile, first_row, last_row, y_0, at, pitch, out_height, out_width, y, width):  # type: ignore[no-untyped-def]
    """Rows of `tile` [.., lanes] to their planes of `y` from plane y_0 on, without what lies between two image rows."""
    lanes = lanes_of(width)
    for image_row in range(at // pitch, min((at + lanes - 1) // pitch + 1, out_height)):
        begin = max(at - image_row * pitch, 0)
        end = min(at + lanes - image_row * pitch, out_width)
        source = image_row * pitch + begin - at
        for row in range(first_row, last_row):
            to = ((y_0 + row) * out_height + image_row) * out_width + begin
            for done in range(0, end - begin, 16):
                kept = min(16, end - begin - done)
                store_some(y, to + done, load_some(tile, row * lanes + source + done, kept, 16), kept)


@jit(fast_math=True)
def _direct(matrix, group_rows, group_planes, place, bias, y, left, count, width, start, stop):  # type: ignore[no-untyped-def]
    """Output planes start..stop (of all images); the shifted planes are read where they are."""
    starts, indices, values, table, first, scale = matrix
    planes, image, offsets, pitch, out_height, out_width = place
    lanes = lanes_of(width)
    groups = scale.size // bias.size
    tile = scratch(lanes)
    for plane in range(start, stop):
        row = plane % bias.size
        base = plane // bias.size * image + row // group_rows * group_planes
        for number in range(count):
            left_lane = left + number * lanes
            total = splat(item(bias, row), lanes)
            for group in range(row * groups, (row + 1) * groups):
                at = item(starts, group)
                found = item(starts, group + 1) - at
                begin = item(first, group)
                even = splat(np.float32(0), lanes)
                odd = even
                for _ in range(found >> 1):
                    k = base + item(offsets, item(indices, at)) + left_lane
                    even = fma(weight(values, table, at, begin, lanes), load(planes, k, lanes), even)
                    k = base + item(offsets, item(indices, at + 1)) + left_lane
                    odd = fma(weight(values, table, at + 1, begin, lanes), load(planes, k, lanes), odd)
                    at += 2
                if found & 1:
                    k = base + item(offsets, item(indices, at)) + left_lane
                    even = fma(weight(values, table, at, begin, lanes), load(planes, k, lanes), even)
                total = fma(splat(item(scale, group), lanes), even + odd, total)
            store(tile, 0, total)
            _crop(tile, 0, 1, plane, left_lane, pitch, out_height, out_width, y, width)
