"""Sparse products beside dense torch, oneDNN with packed float32 weights, and sparse torch and scipy.

Unstructured zeros are timed with `SparseStream`, which is what a packed network multiplies with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Case, Row, interleaved, torch_threads
from workbench.kernels.lanes.images import Images, border, enter
from workbench.kernels.lanes.stencil import Stencil
from workbench.kernels.lanes.vectors import LANES
from workbench.kernels.sparse.block import BlockSparse
from workbench.kernels.sparse.convolution import SparseConvolution
from workbench.kernels.sparse.nm import NmSparse
from workbench.kernels.sparse.stream import BITMAP, SparseStream
from workbench.kernels.sparse.survivors import Survivors
from workbench.kernels.vector.aligned import aligned

Floats = NDArray[np.float32]
Calls = dict[str, Callable[[], object]]
Kernel = tuple[str, Callable[[], object]]  # how the weights are stored, and their product
_STEPS = 7  # of a bisection: to within 1 % of all weights


def cases() -> Iterator[Case]:
    """Every measurement of the family."""
    for zeros in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        yield Case("spmm_stream", partial(_unstructured, 1024, 64, zeros), quick=zeros == 0.9)
    for zeros in (0.8, 0.9, 0.95):
        yield Case("spmm_stream", partial(_unstructured, 4096, 1, zeros), quick=zeros == 0.9)
    for zeros in (0.5, 0.8, 0.9, 0.95):
        yield Case("spmm_block", partial(_in_blocks, 8, 1024, 64, zeros), quick=zeros == 0.9)
    for zeros in (0.8, 0.9):
        yield Case("spmm_block", partial(_in_blocks, 16, 4096, 1, zeros))
    for size, columns in ((1024, 64), (4096, 1)):
        yield Case("spmm_nm", partial(_two_in_four, size, columns), quick=columns == 1)
    for zeros in (0.8, 0.9):
        yield Case("spmm_stream", partial(_convolution, zeros))
    for channels, size in ((64, 7), (32, 14)):
        for zeros in (0.0, 0.5, 0.75, 0.9):
            yield Case("spmm_stream", partial(_stencil, channels, size, zeros), quick=channels == 64 and zeros != 0.75)


def breakeven(shape: tuple[int, int], columns: int, threads: int = 1) -> dict[str, float | None]:
    """Share of zeros from which the kernel of a packed network beats each dense opponent, measured here and now.

    shape: [outputs, inputs] of the layer; columns: batch. 0.0 where it wins with no zeros at all, None where it does
    not win at 99 %. Found by bisection, to within 1 %, with float32 weights in the smaller of gaps and a bitmap.
    """
    with torch_threads(threads):
        found: dict[str, float | None] = {}
        ratios: dict[float, Mapping[str, float]] = {}

        def wins(zeros: float, opponent: str) -> bool:
            if zeros not in ratios:
                weights = random_weights(shape, zeros)
                x = _operand(shape[1], columns)
                _, kernel = _stored(Survivors.from_dense(weights), x, threads)
                calls = {"kernel": kernel, **_dense_calls(weights, x)}
                taken = interleaved(calls, rounds=15, budget=2.0)
                ratios[zeros] = {name: seconds / taken["kernel"] for name, seconds in taken.items()}
            return ratios[zeros][opponent] >= 1

        for opponent in _dense_calls(np.zeros((1, 1), np.float32), _operand(1, 1)):
            low, high = 0.0, 0.99
            if wins(low, opponent):
                found[opponent] = 0.0
            elif not wins(high, opponent):
                found[opponent] = None
            else:
                for _ in range(_STEPS):
                    middle = round((low + high) / 2, 4)
                    low, high = (low, middle) if wins(middle, opponent) else (middle, high)
                found[opponent] = high
        return found


def random_weights(shape: tuple[int, int], zeros: float, height: int = 1) -> Floats:
    """Normal weights of which a share of `zeros` vanishes, in blocks of `height` rows × 1 column."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(shape, np.float32)
    gone = rng.random((-(-shape[0] // height), shape[1])) < zeros
    weights[np.repeat(gone, height, axis=0)[: shape[0]]] = 0
    return weights


def two_of_four(shape: tuple[int, int]) -> Floats:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((shape[0], shape[1] // 4, 4), np.float32)
    weights[np.argsort(rng.random(weights.shape), axis=2) >= 2] = 0
    return weights.reshape(shape)


def _stored(survivors: Survivors, x: Floats, threads: int) -> Kernel:
    stream, images = SparseStream.of_survivors(survivors), np.ascontiguousarray(x.T)
    places = "bitmap" if stream.width == BITMAP else f"gaps of {stream.width} bits"
    return places, lambda: stream.multiply(images, threads=threads)


def _blocks(height: int) -> Callable[[Survivors, Floats, int], Kernel]:
    def blocks(survivors: Survivors, x: Floats, threads: int) -> Kernel:
        sparse = BlockSparse.of(survivors, height)
        return f"{height}×1", lambda: sparse.multiply(x, threads=threads)

    return blocks


def _two_of_four(survivors: Survivors, x: Floats, threads: int) -> Kernel:
    sparse = NmSparse.of(survivors, 2, 4)
    return "2:4", lambda: sparse.multiply(x, threads=threads)


def _operand(inputs: int, columns: int) -> Floats:
    x = aligned((inputs, columns), np.float32)
    x[...] = np.random.default_rng(1).standard_normal((inputs, columns), np.float32)
    return x


def _unstructured(size: int, columns: int, zeros: float, threads: int) -> Iterator[Row]:
    yield _product("spmm_stream", _stored, random_weights((size, size), zeros), columns, zeros, threads)


def _in_blocks(height: int, size: int, columns: int, zeros: float, threads: int) -> Iterator[Row]:
    weights = random_weights((size, size), zeros, height)
    yield _product("spmm_block", _blocks(height), weights, columns, zeros, threads)


def _two_in_four(size: int, columns: int, threads: int) -> Iterator[Row]:
    yield _product("spmm_nm", _two_of_four, two_of_four((size, size)), columns, 0.5, threads)


def _product(
    kernel: str,
    layout: Callable[[Survivors, Floats, int], Kernel],
    weights: Floats,
    columns: int,
    zeros: float,
    threads: int,
) -> Row:
    x = _operand(weights.shape[1], columns)
    form, call = layout(Survivors.from_dense(weights), x, threads)
    taken = interleaved({"kernel": call, **_dense_calls(weights, x), **_sparse_calls(weights, x)})
    case = f"{form}, {weights.shape[0]}×{weights.shape[1]} × {columns}, {zeros:.0%} zeros"
    return Row(kernel, case, threads, taken.pop("kernel"), taken)


def _dense_calls(weights: Floats, x: Floats) -> Calls:
    """The dense opponents; the batch is laid out as each of them likes it."""
    dense, batch = torch.from_numpy(weights), torch.from_numpy(np.ascontiguousarray(x.T))
    calls: Calls = {"F.linear": lambda: torch.nn.functional.linear(batch, dense)}
    if torch.backends.mkldnn.is_available():
        packed = torch.ops.mkldnn._reorder_linear_weight(dense, batch.shape[0])
        calls["oneDNN packed f32"] = lambda: torch.ops.mkldnn._linear_pointwise(batch, packed, None, "none", [], "")
    return calls


def _sparse_calls(weights: Floats, x: Floats) -> Calls:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch calls its sparse tensors a beta
        rows_of, operand = torch.from_numpy(weights).to_sparse_csr(), torch.from_numpy(x)
    calls: Calls = {"torch CSR": lambda: rows_of @ operand}
    try:
        from scipy.sparse import csr_array  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return calls
    compressed = csr_array(weights)
    return calls | {"scipy CSR": lambda: compressed @ x}


def _convolution(zeros: float, threads: int) -> Iterator[Row]:
    shape = (256, 256, 3, 3)
    weights = random_weights((256, 2304), zeros)
    stream = SparseStream.of_survivors(Survivors.from_dense(weights))
    layer = SparseConvolution(stream, shape, padding=(1, 1))
    x = _operand(256, 196).reshape(1, 256, 14, 14)
    kernel, images = torch.from_numpy(weights.reshape(shape)), torch.from_numpy(x)
    calls: Calls = {
        "kernel": lambda: layer.multiply(x, threads=threads),
        "conv2d": lambda: torch.nn.functional.conv2d(images, kernel, padding=1),
    }
    taken = interleaved(calls)
    case = f"convolution 3×3, 256→256 at 14×14, {zeros:.0%} zeros"
    yield Row("spmm_stream", case, threads, taken.pop("kernel"), taken)


def _stencil(channels: int, size: int, zeros: float, threads: int, images: int = 32) -> Iterator[Row]:
    """Images lie in memory as each candidate likes it."""
    weights = random_weights((channels, channels * 9), zeros).reshape(channels, channels, 3, 3)
    halo = border(size, size, 1)
    layer = Stencil.of(weights, None, (size, size), halo, padding=(1, 1))
    plain = np.random.default_rng(1).standard_normal((images, channels, size, size), np.float32)
    x, y = (Images.zeros(-(-images // LANES), channels, size, size, halo) for _ in range(2))
    enter(plain, x)
    kernel, last = (torch.from_numpy(one).to(memory_format=torch.channels_last) for one in (weights, plain))
    calls: Calls = {
        "kernel": lambda: layer.run(x, y, threads=threads),
        "conv2d": lambda: torch.nn.functional.conv2d(last, kernel, padding=1),
    }
    taken = interleaved(calls)
    case = f"stencil 3×3, {channels}→{channels} at {size}×{size}, {images} images, {zeros:.0%} zeros"
    yield Row("spmm_stream", case, threads, taken.pop("kernel"), taken)
