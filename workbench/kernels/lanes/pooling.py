"""Pooling and element-wise operations on images in lanes (see `images`). None writes the halo of its output."""

from __future__ import annotations

import numpy as np

from workbench.kernels.compiler.jit import jit
from workbench.kernels.lanes.images import Images
from workbench.kernels.lanes.vectors import LANES, clipped, larger
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.registers import load, splat, store


def max_pool(x: Images, y: Images, size: int, channel: int = 0, threads: int = 1) -> None:
    """The largest value of each window of size × size, side by side, as channels of `y` from `channel` on.

    What is left of a plane right and below of the last whole window is not looked at. NaN where a window holds one.
    Raises ValueError where shapes do not fit each other.
    """
    if size < 1:
        raise ValueError(f"A window has 1 row and column or more, not {size}.")
    _check(x, y, (x.height // size, x.width // size), channel)
    split(_max_pool, x.groups * x.channels, threads, x.values, x.halo, y.values, y.halo, channel, size)


def mean(x: Images, y: Images, channel: int = 0, threads: int = 1) -> None:
    """The mean of each plane, as channels of `y`, whose planes are 1 × 1, from `channel` on.

    Raises ValueError where shapes do not fit each other.
    """
    _check(x, y, (1, 1), channel)
    split(_mean, x.groups * x.channels, threads, x.values, x.halo, y.values, y.halo, channel)


def combine(
    x: Images,
    y: Images,
    beside: Images | None = None,
    low: float = -np.inf,
    high: float = np.inf,
    channel: int = 0,
    threads: int = 1,
) -> None:
    """`x`, plus `beside` if given, but at least `low` and at most `high`, as channels of `y` from `channel` on.

    NaN stays NaN. `y` may be `x` or `beside`, at channel 0. Raises ValueError where shapes do not fit each other.
    """
    _check(x, y, (x.height, x.width), channel)
    other = x if beside is None else beside
    if (other.groups, other.channels, other.height, other.width) != (x.groups, x.channels, x.height, x.width):
        raise ValueError(f"Images to add are {_size(x)}, not {_size(other)}.")
    arguments = x.values, x.halo, y.values, y.halo, channel, other.values, other.halo, beside is not None
    limits = np.float32(low), np.float32(high)
    split(_combine, x.groups * x.channels, threads, *arguments, *limits)


def _size(images: Images) -> str:
    return f"{images.groups} groups of {images.channels}×{images.height}×{images.width}"


def _check(x: Images, y: Images, size: tuple[int, int], channel: int) -> None:
    """Raises ValueError unless planes of `size` from `x` fit into `y` from `channel` on."""
    if (y.groups, y.height, y.width) != (x.groups, *size) or not 0 <= channel <= y.channels - x.channels:
        raise ValueError(
            f"{x.groups} groups of {x.channels}×{size[0]}×{size[1]} do not fit into {_size(y)} from channel {channel}."
        )


@jit
def _interior(y, halo, channels, plane, channel):  # type: ignore[no-untyped-def]
    """Where in `y` the interior of plane number `plane` of an input with `channels` channels begins."""
    group = plane // channels
    place = group * y.shape[1] + channel + plane - group * channels
    return ((place * y.shape[2] + halo) * y.shape[3] + halo) * LANES


@jit
def _max_pool(x, halo, y, halo_y, channel, size, start, stop):  # type: ignore[no-untyped-def]
    pitch, pitch_y = x.shape[3] * LANES, y.shape[3] * LANES
    for plane in range(start, stop):
        first = _interior(x, halo, x.shape[1], plane, 0)
        to = _interior(y, halo_y, x.shape[1], plane, channel)
        for row in range(y.shape[2] - 2 * halo_y):
            for column in range(y.shape[3] - 2 * halo_y):
                corner = first + row * size * pitch + column * size * LANES
                found = load(x, corner, LANES)
                for i in range(size):
                    for j in range(size):
                        found = larger(found, load(x, corner + i * pitch + j * LANES, LANES))
                store(y, to + row * pitch_y + column * LANES, found)


@jit
def _mean(x, halo, y, halo_y, channel, start, stop):  # type: ignore[no-untyped-def]
    height, width = x.shape[2] - 2 * halo, x.shape[3] - 2 * halo
    pitch = x.shape[3] * LANES
    for plane in range(start, stop):
        at = _interior(x, halo, x.shape[1], plane, 0)
        even, odd = splat(np.float32(0), LANES), splat(np.float32(0), LANES)
        for row in range(height):
            first = at + row * pitch
            for column in range(0, width - 1, 2):
                even = even + load(x, first + column * LANES, LANES)
                odd = odd + load(x, first + (column + 1) * LANES, LANES)
            if width % 2:
                even = even + load(x, first + (width - 1) * LANES, LANES)
        store(y, _interior(y, halo_y, x.shape[1], plane, channel), (even + odd) / np.float32(height * width))


@jit
def _combine(x, halo, y, halo_y, channel, beside, halo_b, added, low, high, start, stop):  # type: ignore[no-untyped-def]
    height, width = x.shape[2] - 2 * halo, x.shape[3] - 2 * halo
    lows, highs = splat(low, LANES), splat(high, LANES)
    for plane in range(start, stop):
        for row in range(height):
            at = _interior(x, halo, x.shape[1], plane, 0) + row * x.shape[3] * LANES
            to = _interior(y, halo_y, x.shape[1], plane, channel) + row * y.shape[3] * LANES
            other = _interior(beside, halo_b, x.shape[1], plane, 0) + row * beside.shape[3] * LANES
            if added:
                for i in range(0, width * LANES, LANES):
                    found = load(x, at + i, LANES) + load(beside, other + i, LANES)
                    store(y, to + i, clipped(found, lows, highs))
            else:
                for i in range(0, width * LANES, LANES):
                    store(y, to + i, clipped(load(x, at + i, LANES), lows, highs))
