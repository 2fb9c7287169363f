"""Images side by side in the lanes of a vector: as many as a register holds are worked on as if they were one.

Each operation on one image becomes the same operation on vectors, whatever the width of a row, and a weight that is
zero can be left out of a sum. A border of zeros around every plane, the halo, is the padding of convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.lanes.vectors import LANES, transpose
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned_zeros
from workbench.kernels.vector.lookups import item
from workbench.kernels.vector.registers import load, store
from workbench.kernels.vector.stretches import scratch

Floats = NDArray[np.float32]

_WAY = 2048  # bytes apart, and fewer places of the first cache than it has sets are used


@dataclass(frozen=True, eq=False)
class Images:
    """Image LANES · g + lane is values[g, :, :, :, lane].

    values: float32 [groups, channels, height + 2·halo, width + 2·halo, LANES] in C order, best on a cache line (64
    bytes). halo: rows and columns on each side of a plane, all zero; no kernel writes them. Raises ValueError where
    these are of another type or shape.
    """

    values: Floats
    halo: int

    def __post_init__(self) -> None:
        values = self.values
        fits = values.ndim == 5 and values.shape[4] == LANES and min(values.shape[2:4]) >= 2 * self.halo >= 0
        if not fits or values.dtype != np.float32 or not values.flags.c_contiguous:
            raise ValueError(
                f"Images in lanes with a halo of {self.halo} are float32 [groups, channels, rows, columns, {LANES}] in "
                f"C order, not {values.dtype} {list(values.shape)}."
            )

    @classmethod
    def zeros(cls, groups: int, channels: int, height: int, width: int, halo: int) -> Images:
        """Black images, all lanes of them."""
        shape = groups, channels, height + 2 * halo, width + 2 * halo, LANES
        return cls(aligned_zeros(shape, np.float32), halo)

    @property
    def groups(self) -> int:
        return int(self.values.shape[0])

    @property
    def channels(self) -> int:
        return int(self.values.shape[1])

    @property
    def height(self) -> int:
        """Rows of a plane without the halo."""
        return int(self.values.shape[2]) - 2 * self.halo

    @property
    def width(self) -> int:
        """Columns of a plane without the halo."""
        return int(self.values.shape[3]) - 2 * self.halo

    @property
    def nbytes(self) -> int:
        """Bytes of all values and halos."""
        return int(self.values.nbytes)


def border(height: int, width: int, least: int) -> int:
    """The halo that planes of this size are best given: `least`, or one more where planes would else collide.

    Planes that begin a multiple of a large power of two apart share a few places of the first cache, and a kernel that
    reads the same rows of many channels finds none of them there.
    """
    plane = (height + 2 * least) * (width + 2 * least) * LANES * 4
    return least + (plane % _WAY == 0)


def enter(x: Floats, y: Images, threads: int = 1) -> None:
    """Write image i of `x`, float32 [images, channels, height, width], to lane i % LANES of group i // LANES of `y`.

    Lanes beyond the last image stay as they are. Images whose channels come last in memory are read as they lie there.
    Raises ValueError where there are more images than lanes, or where their type or size is not that of `y`.
    """
    size = y.channels, y.height, y.width
    if x.dtype != np.float32 or x.ndim != 4 or x.shape[1:] != size or len(x) > y.groups * LANES:
        raise ValueError(
            f"Up to {y.groups * LANES} images of {list(size)} fit in here, float32, not {x.dtype} {list(x.shape)}."
        )
    last = x.transpose(0, 2, 3, 1)
    channels_last = not x.flags.c_contiguous and last.flags.c_contiguous
    flat = (last if channels_last else np.ascontiguousarray(x)).reshape(-1)
    places = _places(size, y.halo, channels_last)
    blocks = -(-places.size // LANES)
    units = -(-len(x) // LANES) * blocks
    if units:
        split(_enter, units, threads, flat, len(x), places, blocks, y.values)


def leave(x: Images) -> Floats:
    """All lanes as images, float32 [groups · LANES, channels · height · width]: in order channel, row, column."""
    places = _places((x.channels, x.height, x.width), x.halo, False)
    y = np.empty((x.groups * LANES, places.size), np.float32)
    _leave(x.values, places, y)
    return y


@lru_cache(maxsize=64)
def _places(size: tuple[int, int, int], halo: int, channels_last: bool) -> NDArray[np.int64]:
    """Where in a group's values each value of an image of `size` begins, in the order in which the image has them."""
    channels, height, width = size
    channel, row, column = np.ogrid[:channels, halo : halo + height, halo : halo + width]
    places = ((channel * (height + 2 * halo) + row) * (width + 2 * halo) + column) * LANES
    places = np.ascontiguousarray(places.transpose(1, 2, 0) if channels_last else places, np.int64).reshape(-1)
    places.flags.writeable = False
    return places


@jit
def _enter(x, images, places, blocks, y, start, stop):  # type: ignore[no-untyped-def]
    """Blocks start..stop−1, each of LANES places of LANES images, of those of all groups."""
    block = scratch(LANES * LANES, np.float32)
    group_size = y.shape[1] * y.shape[2] * y.shape[3] * LANES
    flat = y.reshape(-1)
    for unit in range(start, stop):
        group = unit // blocks
        first = (unit - group * blocks) * LANES
        image = group * LANES
        at, to = image * places.size + first, group * group_size
        if image + LANES <= images and first + LANES <= places.size:
            transpose(x, at, places.size, block)
            for i in range(LANES):
                store(flat, to + item(places, first + i), load(block, i * LANES, LANES))
        else:
            for lane in range(min(LANES, images - image)):
                for i in range(min(LANES, places.size - first)):
                    flat[to + places[first + i] + lane] = x[at + lane * places.size + i]


@jit
def _leave(x, places, y):  # type: ignore[no-untyped-def]
    gathered, block = scratch(LANES * LANES, np.float32), scratch(LANES * LANES, np.float32)
    group_size = x.shape[1] * x.shape[2] * x.shape[3] * LANES
    inside, flat = x.reshape(-1), y.reshape(-1)
    for group in range(x.shape[0]):
        for first in range(0, places.size, LANES):
            count = min(LANES, places.size - first)
            for i in range(count):
                value = load(inside, group * group_size + item(places, first + i), LANES)
                store(gathered, i * LANES, value)
            transpose(gathered, 0, LANES, block)
            to = group * LANES * places.size + first
            for lane in range(LANES):
                for i in range(count):
                    flat[to + lane * places.size + i] = block[lane * LANES + i]
