"""Convolutions of images in lanes (see `images`) that cost as much as they have weights that are not zero.

An output's weights are gone through one by one. Each is multiplied with the inputs of a whole block of outputs, LANES
images deep, whose sums stay in registers; so a weight costs one read for itself and one for its place, whatever the
kernel's shape, its dilation or its groups: these are but other places.

Where the inputs of a block are more than the first cache holds, they are gone through in panels, each for all outputs,
whose sums wait in the result meanwhile: a weight's inputs come twice as fast from there as from the second cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.lanes.images import Images
from workbench.kernels.lanes.stencil_source import WORK, most_sums, stencil_source
from workbench.kernels.lanes.vectors import LANES, sum_block
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.lookups import item

Floats = NDArray[np.float32]
Pair = tuple[int, int]
Pieces = list[tuple[int, int, int]]  # as of `_pieces`

# Bytes of inputs that the first cache holds beside all else: short registers meet more weights for as many inputs.
_PANEL = (32 if LANES == 16 else 20) << 10
_LEAST = 16  # weights of an output, on average, that make a panel worth while
_GROUPS = (
    8  # of images, at most, that make the rows of a block: they lie far apart, and a place of the first cache holds 8
)
_LATENCY = 8  # sums that must be under way at once, so that none waits for the one before it


@dataclass(frozen=True, eq=False)
class Stencil:
    """The weights of a convolution that are not zero, with the places of their inputs in images of one size.

    channels, image, halo: of the inputs (see `Images`). output_size: height and width of an output plane.
    stride: rows and columns between the inputs of neighbouring outputs. places: int32 [nonzeros], elements from an
    output's first input; weights: float32 [nonzeros]; both in order of (panel, output, channel, row, column of the
    kernel). ends: int64 [panels · outputs + 1], the bounds of an output's weights in a panel. marks: int64
    [outputs + 1], the work on the outputs before, counted in weights. bias: float32 [outputs].
    """

    channels: int
    image: Pair
    halo: int
    stride: Pair
    output_size: Pair
    places: NDArray[np.int32]
    weights: Floats
    ends: NDArray[np.int64]
    marks: NDArray[np.int64]
    bias: Floats

    @classmethod
    def of(
        cls,
        weight: Floats,
        bias: Floats | None,
        image: Pair,
        halo: int,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> Stencil:
        """What is left of `weight`, float32 [out, in / groups, kh, kw] in C order, for images of height × width.

        A layer that is linear in all values of an image is a kernel as large as the image. Raises ValueError where the
        kernel does not fit into the padded image, the halo is smaller than the padding, or shapes do not fit.
        """
        if weight.ndim != 4 or weight.dtype != np.float32 or not weight.flags.c_contiguous:
            raise ValueError(
                f"A kernel is float32 [out, in / groups, kh, kw] in C order, not {weight.dtype} {list(weight.shape)}."
            )
        outputs = len(weight)
        if bias is None:
            bias = np.zeros(outputs, np.float32)
        elif bias.shape != (outputs,) or bias.dtype != np.float32:
            raise ValueError(f"A bias for {outputs} outputs is float32 [{outputs}], not {bias.dtype} {[*bias.shape]}.")
        if groups < 1 or outputs % groups:
            raise ValueError(f"{outputs} outputs do not divide into {groups} groups.")
        inputs, kernel = weight.shape[1], (weight.shape[2], weight.shape[3])
        size, offsets, plane = _lattice(inputs, kernel, image, halo, stride, padding, dilation)
        if inputs * groups * plane >= 2**31:
            raise ValueError(f"Images of {inputs * groups}×{image[0]}×{image[1]} are too large for places of 32 bits.")
        rows = weight.reshape(outputs, offsets.size)
        count = int(_count(weight.reshape(-1)))
        block = inputs * _lines(*size, kernel, stride, dilation) * LANES * weight.itemsize
        panels = min(-(-block // _PANEL), count // max(outputs, 1) // _LEAST + 1)
        cuts = _cuts(inputs, math.prod(kernel), max(panels, 1))
        ends, marks = np.zeros((len(cuts) - 1) * outputs + 1, np.int64), np.zeros(outputs + 1, np.int64)
        places, weights = aligned(count + 1, np.int32), aligned(count + 1, np.float32)
        _compact(rows, offsets, outputs // groups, inputs * plane, cuts, places, weights, ends, marks)
        bias = np.ascontiguousarray(bias)
        return cls(inputs * groups, image, halo, stride, size, places[:count], weights[:count], ends, marks, bias)

    @property
    def outputs(self) -> int:
        return self.bias.size

    @property
    def nonzeros(self) -> int:
        """Weights that are left."""
        return self.weights.size

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(one.nbytes for one in (self.places, self.weights, self.ends, self.marks, self.bias))

    def run(
        self,
        x: Images,
        y: Images,
        channel: int = 0,
        low: float = -math.inf,
        high: float = math.inf,
        beside: Images | None = None,
        threads: int = 1,
    ) -> None:
        """Convolve `x`, add the bias and `beside`, keep within low..high, and write to `y` from channel `channel` on.

        NaN stays NaN, unless only weights of zero meet it. `y` may be `beside`, at channel 0. An image's result depends
        neither on the number of threads nor on the other images. Raises ValueError where shapes do not fit each other.
        """
        if (x.channels, x.height, x.width, x.halo) != (self.channels, *self.image, self.halo):
            raise ValueError(
                f"This convolution is of images {self.channels}×{self.image[0]}×{self.image[1]} with a halo of "
                f"{self.halo}, not {x.channels}×{x.height}×{x.width} with one of {x.halo}."
            )
        size = self.output_size
        if (y.groups, y.height, y.width) != (x.groups, *size) or not 0 <= channel <= y.channels - self.outputs:
            raise ValueError(
                f"{x.groups} groups of {self.outputs}×{size[0]}×{size[1]} do not fit into {y.groups} of "
                f"{y.channels}×{y.height}×{y.width} from channel {channel}."
            )
        other = y if beside is None else beside
        if beside is not None and (
            (other.groups, other.height, other.width) != (x.groups, *size) or other.channels != self.outputs
        ):
            raise ValueError(
                f"What is added to {x.groups} groups of {self.outputs}×{size[0]}×{size[1]} cannot be {other.groups} of "
                f"{other.channels}×{other.height}×{other.width}."
            )
        work = int(self.marks[-1])
        if not work or not x.groups:
            return
        arguments = x.values, self.places, self.weights, self.ends, self.marks, self.bias, y.values, other.values
        limits = np.float32(low), np.float32(high)
        shapes = x.values.shape, y.values.shape, other.values.shape
        halos = y.halo, other.halo
        for kernel, blocks, geometry in _plan(size, self.stride, *shapes, *halos, channel, beside is not None):
            split(kernel, blocks * work, threads, *arguments, *limits, geometry)


@lru_cache(maxsize=1024)
def _lattice(
    inputs: int, kernel: Pair, image: Pair, halo: int, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[Pair, NDArray[np.int32], int]:
    """Height and width of an output, the places of one output's inputs, and elements of a plane."""
    if min(*stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError(f"A convolution cannot have stride {stride}, padding {padding} and dilation {dilation}.")
    if halo < max(padding):
        raise ValueError(f"A halo of {halo} is too small for a padding of {padding}.")
    room = [image[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1 for i in range(2)]
    if min(room) < 0:
        raise ValueError(f"A kernel of {kernel} does not fit into an image of {image[0]}×{image[1]}.")
    pitch = image[1] + 2 * halo
    plane = (image[0] + 2 * halo) * pitch * LANES
    channel, row, column = np.ogrid[:inputs, : kernel[0], : kernel[1]]
    rows, columns = row * dilation[0] + halo - padding[0], column * dilation[1] + halo - padding[1]
    offsets = (channel * plane + (rows * pitch + columns) * LANES).astype(np.int32).reshape(-1)
    offsets.flags.writeable = False
    return (room[0] // stride[0] + 1, room[1] // stride[1] + 1), offsets, plane


@lru_cache(maxsize=1024)
def _cuts(inputs: int, size: int, panels: int) -> NDArray[np.int64]:
    """Where, among the inputs · size places of an output's kernel, panels begin, and where the last one ends."""
    whole = size if panels <= inputs else 1
    cuts = np.arange(panels + 1) * (inputs * size // whole) // panels * whole
    cuts.flags.writeable = False
    return cuts


@jit
def _count(weight):  # type: ignore[no-untyped-def]
    found = 0
    for i in range(weight.size):
        found += weight[i] != 0
    return found


@jit
def _compact(weight, offsets, per_group, group_size, cuts, places, values, ends, marks):  # type: ignore[no-untyped-def]
    outputs = weight.shape[0]
    n = 0
    for panel in range(cuts.size - 1):
        for k in range(outputs):
            base = k // per_group * group_size
            for i in range(cuts[panel], cuts[panel + 1]):
                places[n], values[n] = base + offsets[i], weight[k, i]  # stays only if it is not zero
                n += weight[k, i] != 0
            ends[panel * outputs + k + 1] = n
            marks[k + 1] += n - ends[panel * outputs + k]
    for k in range(outputs):
        marks[k + 1] += marks[k] + WORK


@lru_cache(maxsize=1024)
def _plan(
    size: Pair,
    stride: Pair,
    x: tuple[int, ...],
    y: tuple[int, ...],
    other: tuple[int, ...],
    halo_y: int,
    halo_other: int,
    channel: int,
    added: bool,
) -> list[tuple[Any, int, tuple[int, ...]]]:
    """Kernels that together make all outputs, each with its number of blocks and its geometry.

    x, y, other: shapes of the values. geometry: blocks across, and down, an image; for x, then y, then other: where the
    first block begins, how far from it the next image or groups of images, the next down and the next across are, how
    far apart the rows of a block are, and the channels; whether the third is added.
    """
    spans, row_pieces, column_pieces = _blocks(*size, x[0])
    calls = []
    for row, rows, row_blocks in row_pieces:
        for column, columns, column_blocks in column_pieces:
            geometry = [column_blocks, size[0] if spans else row_blocks]
            for shape, halo, first, steps in (
                (x, 0, 0, stride),
                (y, halo_y, channel, (1, 1)),
                (other, halo_other, 0, (1, 1)),
            ):
                line = shape[3] * LANES
                plane = shape[2] * line
                group = shape[1] * plane
                down, across = steps[0] * line, steps[1] * LANES
                begin = first * plane + halo * (line + LANES) + column * across
                if spans:
                    geometry += [begin + row * group, rows * group, down, columns * across, group, plane]
                else:
                    geometry += [begin + row * down, group, rows * down, columns * across, down, plane]
            name = f"_stencil_{rows}_{columns}_{stride[1]}"
            kernel = generated(__name__, name, partial(stencil_source, name, rows, columns, stride[1] * LANES))
            blocks = row_blocks * column_blocks * (size[0] if spans else x[0])
            calls.append((kernel, blocks, (*geometry, int(added))))
    return calls


@lru_cache(maxsize=1024)
def _lines(height: int, width: int, kernel: Pair, stride: Pair, dilation: Pair) -> int:
    """Vectors of inputs that a block of outputs reads of each channel, about."""
    spans, rows, columns = _blocks(height, width, _GROUPS)
    sizes = (1 if spans else rows[0][1], columns[0][1])
    lines = rows[0][1] if spans else 1
    for i, n in enumerate(sizes):
        lines *= min((n - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1, n * kernel[i])
    return lines


@lru_cache(maxsize=1024)
def _blocks(height: int, width: int, groups: int) -> tuple[bool, Pieces, Pieces]:
    """Whether rows of a block are groups of images and not rows of an image; how rows, and columns, are cut."""
    best: tuple[tuple[float, int, int], bool, Pieces, Pieces] | None = None
    for columns in range(1, min(width, most_sums()) + 1):
        column_pieces = _pieces(width, -(-width // columns))
        for spans, length, others in ((False, height, groups), (True, groups, height)):
            most = min(length, most_sums() // columns, _GROUPS if spans else length)
            row_pieces = _pieces(length, -(-length // most))
            time = 0.0  # half-cycles a weight
            for _, rows, n in row_pieces:
                for _, across, m in column_pieces:
                    # Each sum takes a read, and so do the weight and its place. With a kernel of 3 × 3, a weight's
                    # share of the inputs that a block reads must come from the second cache.
                    inputs = (rows * 3 if spans else rows + 2) * (across + 2) / 9
                    time += n * m * others * (max(_LATENCY, rows * across) + 2 + inputs)
            candidate = (time, row_pieces[0][1] + column_pieces[0][1], -columns), spans, row_pieces, column_pieces
            if best is None or candidate[0] < best[0]:
                best = candidate
    assert best is not None
    return best[1:]


def _pieces(length: int, count: int) -> Pieces:
    """`length` cut into `count` nearly equal pieces: begin, length and number of those of one length, longest first."""
    short, longer = divmod(length, count)
    pieces = [(0, short + 1, longer), (longer * (short + 1), short, count - longer)]
    return [one for one in pieces if one[2]]
