"""Convolution with packed weights: images [n, in, h, w] to [n, out, h', w'], float32.

A strip of weights is decoded and multiplied with runs of neighbouring outputs, which read runs of neighbouring inputs:
nothing is transposed, and nothing is copied but for padding and strides. Where inputs are padded, or the stride is not
1, they are laid out as one plane for each place modulo the stride, each with its rows at a fixed pitch; an output's
inputs then lie at the same distances from it everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.generate import generated
from workbench.kernels.lowbit.convolution_block import lanes_at_once, sum_block
from workbench.kernels.lowbit.convolution_source import BLOCK, convolution_source
from workbench.kernels.lowbit.decoding import decode_block
from workbench.kernels.lowbit.image_planes import lay_out
from workbench.kernels.lowbit.strips import beside, rest_code, widened
from workbench.kernels.lowbit.weights import LowBit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.lookups import load_some, permute8, permute16, store_some
from workbench.kernels.vector.registers import convert, fma, gather, load, splat, spread, store, view
from workbench.kernels.vector.stretches import scratch

Floats = NDArray[np.float32]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class LowBitConvolution:
    """A convolution with kernel `shape` [out, in / groups, kh, kw]; weights: it as [out, in / groups · kh · kw].

    Raises ValueError where the weights are of another shape, a stride or dilation is below 1, a padding below 0, or the
    outputs do not divide into groups.
    """

    shape: tuple[int, int, int, int]
    stride: Pair
    padding: Pair
    dilation: Pair
    weights: LowBit
    groups: int = 1

    def __post_init__(self) -> None:
        matrix = self.weights.outputs, self.weights.inputs
        if matrix != (self.shape[0], math.prod(self.shape[1:])):
            raise ValueError(f"Weights {list(matrix)} do not make a kernel {list(self.shape)}.")
        if min(*self.stride, *self.dilation, self.groups) < 1 or min(self.padding) < 0 or self.shape[0] % self.groups:
            raise ValueError(
                f"A convolution with {self.shape[0]} outputs cannot have stride {self.stride}, padding {self.padding}, "
                f"dilation {self.dilation} and {self.groups} groups."
            )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return self.weights.nbytes

    def output_size(self, height: int, width: int) -> Pair:
        """Height and width of what comes out of an image. Raises ValueError where the kernel does not fit into it."""
        return _output_size(self.shape[2:], self.stride, self.padding, self.dilation, (height, width))

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """Convolve `x`, float32 [images, in, height, width], to [images, out, height, width].

        Raises ValueError where x or the bias is of another type or shape.
        """
        out, channels = self.shape[0], self.shape[1] * self.groups
        if x.dtype != np.float32 or x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(f"Images are float32 [images, {channels}, height, width], not {x.dtype} {list(x.shape)}.")
        if bias is None:
            bias = np.zeros(out, np.float32)
        elif bias.shape != (out,) or bias.dtype != np.float32:
            raise ValueError(f"A bias for {out} outputs is float32 [{out}], not {bias.dtype} {list(bias.shape)}.")
        plan = _plan(self.shape, self.stride, self.padding, self.dilation, self.groups, x.shape[2:])
        y = np.empty((x.shape[0], out, *plan.size), np.float32)
        if not self.weights.packed.size or not y.size:
            y[...] = bias[:, None, None]
            return y
        if not x.flags.carray:  # in C order and writable, as the kernel's own copy of it is
            x = x.copy()
        arguments = (*self.weights.arguments, *plan.arguments, np.ascontiguousarray(bias), x, y)
        split(self._kernel, x.shape[0] * plan.blocks, threads, *arguments)
        return y

    @cached_property
    def _kernel(self) -> Any:
        way, bits, grouped = self.weights.way, self.weights.bits, self.groups > 1
        name = f"_{'grouped' if grouped else 'convolution'}_{way}_{bits}"
        return generated(__name__, name, lambda: convolution_source(name, way, bits, grouped))


@dataclass(frozen=True)
class Plan:
    """How a convolution goes over images of one size.

    size: height and width of an output. blocks: units of work an image. arguments: what the kernel takes of it, that is

    place: rows of a plane, columns of an image, floats of a plane, its pitch, strides, paddings (vertical first),
    whether the planes are a copy of the image, outputs of a group; offsets: how far from an output's place in the
    planes each of its inputs lies, int64 [in / groups · kh · kw]; phases: row and column modulo the stride for each
    plane of a channel, int64 [2 · planes].
    """

    size: Pair
    blocks: int
    arguments: tuple[tuple[int, ...], NDArray[np.int64], NDArray[np.int64]]


@lru_cache(maxsize=1024)
def _plan(
    shape: tuple[int, int, int, int], stride: Pair, padding: Pair, dilation: Pair, groups: int, image: Pair
) -> Plan:
    """Raises ValueError where the kernel does not fit into an image of that height and width."""
    size = _output_size(shape[2:], stride, padding, dilation, image)
    copied = stride != (1, 1) or padding != (0, 0)
    reach = [dilation[i] * (shape[2 + i] - 1) // stride[i] for i in range(2)]
    # At stride 1 the padding left of an image row serves as the padding right of the one before it.
    pitch = max(image[1] + padding[1], size[1]) if stride[1] == 1 else size[1] + reach[1]
    rows = image[0] if not copied else size[0] + reach[0]
    plane = rows * pitch + (padding[1] if copied else 0)
    channel, row, column = np.indices(shape[1:]).reshape(3, -1)
    row, column = row * dilation[0], column * dilation[1]
    phase = row % stride[0] * stride[1] + column % stride[1]
    used, number = np.unique(phase, return_inverse=True)
    offsets = (channel * used.size + number) * plane + row // stride[0] * pitch + column // stride[1]
    phases = np.stack([used // stride[1], used % stride[1]], axis=1).reshape(-1)
    place = (rows, image[1], plane, pitch, *stride, *padding, int(copied), shape[0] // groups)
    positions = (size[0] - 1) * pitch + size[1]
    blocks = -(-positions // (lanes_at_once() * BLOCK))
    return Plan(size, blocks, (place, offsets.astype(np.int64), phases.astype(np.int64)))


def _output_size(kernel: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, image: Pair) -> Pair:
    room = [image[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1 for i in range(2)]
    if min(room) < 0:
        raise ValueError(f"A kernel of {kernel} does not fit into an image of {image[0]}×{image[1]}.")
    return room[0] // stride[0] + 1, room[1] // stride[1] + 1
