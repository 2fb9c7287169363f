"""Convolution with weights packed to 1-8 bits: inputs of some hundred outputs at a time as a matrix, then a product.

That matrix (im2col) is made for one tile of outputs after another, in the order in which the product reads it, so it
takes a megabyte and not kh · kw times the images. Activations stay float32: a convolution has few outputs a pixel, and
turning its inputs into whole numbers, as `lowbit.gemm` does for many outputs, would cost more than the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.kernels import _lowbit_float, _threads
from workbench.kernels._float_source import batch_at_once, tiles_at_once
from workbench.kernels._jit import jit
from workbench.kernels._memory import aligned, aligned_zeros
from workbench.kernels._vector import load, store
from workbench.kernels.code_tiles import INPUTS, OUTPUTS
from workbench.kernels.lowbit_weights import LowBit

Floats = NDArray[np.float32]
Pair = tuple[int, int]
_TILE = 2**18  # floats of a tile
_FEWEST = 32  # outputs of a tile: decoding the weights must be worth while


@dataclass(frozen=True, eq=False)
class LowBitConvolution:
    """A convolution with kernel `shape` [out, in, kh, kw] in one group; weights: the kernel as [out, in · kh · kw].

    Raises ValueError where the weights are of another shape, a stride or dilation is below 1, or a padding below 0.
    """

    shape: tuple[int, int, int, int]
    stride: Pair
    padding: Pair
    dilation: Pair
    weights: LowBit

    def __post_init__(self) -> None:
        matrix = self.weights.outputs, self.weights.inputs
        if matrix != (self.shape[0], math.prod(self.shape[1:])):
            raise ValueError(f"Weights {list(matrix)} do not make a kernel {list(self.shape)}.")
        if min(*self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise ValueError(
                f"A convolution cannot have stride {self.stride}, padding {self.padding}, dilation {self.dilation}."
            )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return self.weights.nbytes

    def output_size(self, height: int, width: int) -> Pair:
        """Height and width of what comes out of an image. Raises ValueError where the kernel does not fit into it."""
        room = [
            size + 2 * self.padding[i] - self.dilation[i] * (self.shape[2 + i] - 1) - 1
            for i, size in enumerate((height, width))
        ]
        if min(room) < 0:
            raise ValueError(f"A kernel of {self.shape[2:]} does not fit into an image of {height}×{width}.")
        return room[0] // self.stride[0] + 1, room[1] // self.stride[1] + 1

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """Convolve `x`, float32 [images, in, height, width], to [images, out, height, width].

        Raises ValueError where x or the bias is of another type or shape.
        """
        out, channels = self.shape[:2]
        if x.dtype != np.float32 or x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(f"Images are float32 [images, {channels}, height, width], not {x.dtype} {list(x.shape)}.")
        if bias is None:
            bias = np.zeros(out, np.float32)
        elif bias.shape != (out,) or bias.dtype != np.float32:
            raise ValueError(f"A bias for {out} outputs is float32 [{out}], not {bias.dtype} {list(bias.shape)}.")
        size = self.output_size(*x.shape[2:])
        y = aligned((x.shape[0], out, *size), np.float32)
        pixels = x.shape[0] * size[0] * size[1]
        if not self.weights.packed.size or not pixels:
            y[...] = bias[:, None, None]
            return y
        planes = self._padded(x)
        offsets = _offsets(self.shape[1:], self.dilation, *planes.shape[2:])
        image, pitch = planes[0].size, planes.shape[3]
        width = -(-self.weights.inputs // INPUTS) * INPUTS
        batch = batch_at_once()
        tile = max(_TILE // width, _FEWEST) // batch * batch
        ordered = aligned(-(-min(tile, pixels) // batch) * batch * width, np.float32)
        for first in range(0, pixels, tile):
            count = min(tile, pixels - first)
            groups = -(-count // batch)
            rows = ordered[: groups * batch * width]
            place = (image, pitch, *self.stride, *size, first, pixels)
            _threads.split(_gather, groups, threads, planes.reshape(-1), offsets, *place, batch, width, rows)
            found = _product(self.weights, rows, groups, threads)
            _scatter(found, count, np.ascontiguousarray(bias), size[0] * size[1], first, y.reshape(-1))
        return y

    def _padded(self, x: Floats) -> Floats:
        down, across = self.padding
        if not down and not across:
            return np.ascontiguousarray(x)
        images, channels, height, width = x.shape
        planes = aligned_zeros((images, channels, height + 2 * down, width + 2 * across), np.float32)
        planes[:, :, down : down + height, across : across + width] = x
        return planes


def _product(weights: LowBit, ordered: Floats, groups: int, threads: int) -> Floats:
    """`_lowbit_float.gemm` for rows that are in its order already, as [batch · groups, 16 · tiles]."""
    across = weights.packed.shape[0]
    y = aligned((groups * batch_at_once(), across * OUTPUTS), np.float32)
    function = _lowbit_float._kernel("gemm", _lowbit_float._way(weights), weights.bits)
    scales = weights.scale.reshape(-1), weights.zero_point.reshape(-1)
    sizes = weights.run // INPUTS, ordered, groups, y.reshape(-1), _lowbit_float._CHUNK, across
    arguments = (weights.packed.reshape(-1), weights.levels, *scales, *sizes)
    _threads.split(function, across, threads, *arguments, step=tiles_at_once())
    return y


@lru_cache(maxsize=256)
def _offsets(kernel: tuple[int, int, int], dilation: Pair, height: int, width: int) -> NDArray[np.int64]:
    """How far from an output's first input each of its inputs lies, int64 [in · kh · kw]."""
    channel, row, column = np.indices(kernel)
    return ((channel * height + row * dilation[0]) * width + column * dilation[1]).reshape(-1).astype(np.int64)


@jit
def _gather(  # type: ignore[no-untyped-def]
    planes,
    offsets,
    image,
    pitch,
    step_y,
    step_x,
    out_height,
    out_width,
    first,
    pixels,
    batch,
    width,
    ordered,
    start,
    stop,
):
    """Groups start..stop of `batch` outputs of a tile that begins at output `first` of all images: [width, batch] each.

    Outputs beyond the last stand for it again.
    """
    base = np.empty(batch, np.int64)
    for group in range(start, stop):
        to = group * width * batch
        last = first + group * batch + batch - 1
        for i in range(batch):
            line, column = divmod(min(last - batch + 1 + i, pixels - 1), out_width)
            number, row = divmod(line, out_height)
            base[i] = number * image + row * step_y * pitch + column * step_x
        if batch == 8 and base[7] - base[0] == 7 and last < pixels:  # neighbours, read as one vector
            for k in range(offsets.size):
                store(ordered, to, load(planes, base[0] + offsets[k], 8))
                to += 8
        else:
            for k in range(offsets.size):
                for i in range(batch):
                    ordered[to + i] = planes[base[i] + offsets[k]]
                to += batch
        ordered[to : (group + 1) * width * batch] = 0


@jit
def _scatter(found, rows, bias, plane, first, y):  # type: ignore[no-untyped-def]
    """A tile's outputs, the first `rows` of `found`, to their places in the images, with the bias."""
    out = bias.size
    at = 0
    while at < rows:
        image, pixel = divmod(first + at, plane)
        count = min(rows - at, plane - pixel)
        for channel in range(out):
            to = (image * out + channel) * plane + pixel
            for i in range(count):
                y[to + i] = found[at + i, channel] + bias[channel]
        at += count
