"""The mean magnitude of the inputs that each output of a layer sees, and outputs multiplied by it.

That is the map K of Rastegari et al. (XNOR-Net, ECCV 2016, section 3.2): the magnitudes averaged over the channels,
then over each window. The few positions of a window that lie in the padding are left out of its mean, as they are left
out of the sum of its signs; the paper averages over them as zeros, which makes outputs at the border too small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split

Floats = NDArray[np.float32]
Pair = tuple[int, int]


def row_magnitudes(x: Floats) -> Floats:
    """float32 [rows, depth] to [rows]."""
    found = np.empty(len(x), np.float32)
    _row_magnitudes(np.ascontiguousarray(x), found)
    return found


def window_magnitudes(
    x: Floats, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, size: Pair, threads: int = 1
) -> Floats:
    """float32 [images, channels, height, width] to [images, height', width'], which `size` tells; 0 where a window sees
    padding alone."""
    images, _, height, width = x.shape
    of_pixels = np.zeros((images, height, width), np.float32)
    split(_pixel_magnitudes, images * height, threads, np.ascontiguousarray(x), of_pixels)
    found = np.empty((images, *size), np.float32)
    split(_window_means, images * size[0], threads, of_pixels, kernel, stride, padding, dilation, found)
    return found


def weigh(sums: Floats, magnitudes: Floats, bias: Floats, threads: int = 1) -> None:
    """sums [rows, outputs] = sums · magnitudes [rows] + bias [outputs], in place."""
    split(_weigh, len(sums), threads, sums, magnitudes, bias)


@jit(fast_math=True)
def _row_magnitudes(x, found):  # type: ignore[no-untyped-def]
    for row in range(len(x)):
        total = np.float32(0)
        for k in range(x.shape[1]):
            total += abs(x[row, k])
        found[row] = total / np.float32(x.shape[1])


@jit
def _pixel_magnitudes(x, found, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of all images; `found` is zero before."""
    _, channels, height, width = x.shape
    for unit in range(start, stop):
        image, row = unit // height, unit % height
        for channel in range(channels):
            for column in range(width):
                found[image, row, column] += abs(x[image, channel, row, column])
        for column in range(width):
            found[image, row, column] /= np.float32(channels)


@jit
def _window_means(of_pixels, kernel, stride, padding, dilation, found, start, stop):  # type: ignore[no-untyped-def]
    """Rows start..stop of all maps."""
    _, height, width = of_pixels.shape
    for unit in range(start, stop):
        image, row = unit // found.shape[1], unit % found.shape[1]
        for column in range(found.shape[2]):
            total, count = np.float32(0), 0
            for i in range(kernel[0]):
                at = row * stride[0] - padding[0] + i * dilation[0]
                if at < 0 or at >= height:
                    continue
                for j in range(kernel[1]):
                    across = column * stride[1] - padding[1] + j * dilation[1]
                    if 0 <= across < width:
                        total += of_pixels[image, at, across]
                        count += 1
            found[image, row, column] = total / np.float32(max(count, 1))


@jit
def _weigh(sums, magnitudes, bias, start, stop):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        magnitude = magnitudes[row]
        for column in range(sums.shape[1]):
            sums[row, column] = sums[row, column] * magnitude + bias[column]
