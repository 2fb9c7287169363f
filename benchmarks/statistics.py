"""Thresholds and fake-quantisation of 25 million weights beside torch, NumPy and a plain copy of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Row, interleaved
from workbench.kernels.statistics.fake_quantize import fake_quantize, quantisation_errors
from workbench.kernels.statistics.magnitudes import Magnitudes
from workbench.kernels.vector.aligned import aligned

Floats = NDArray[np.float32]
Calls = dict[str, Callable[[], object]]
_ROWS, _COLUMNS = 5000, 5000
_LAYERS = 54
_SPARSITY = 0.7
_WIDTHS = tuple(range(2, 9))


def rows(threads: int) -> Iterator[Row]:
    """Every row of the family at `threads` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        weights = aligned((_ROWS, _COLUMNS), np.float32)
        np.random.default_rng(0).standard_normal(out=weights, dtype=np.float32)
        if threads == 1:  # a move is too short to share out
            yield from _moves(weights)
        yield _preparation(weights, threads)
        yield from _quantisation(weights, threads)
    finally:
        torch.set_num_threads(before)


def _moves(weights: Floats) -> Iterator[Row]:
    count = round(_SPARSITY * weights.size)
    magnitude = torch.from_numpy(weights.reshape(-1)).abs()

    def by_torch() -> object:
        threshold = magnitude.kthvalue(count).values
        return threshold, magnitude[magnitude <= threshold].square().sum()

    def by_numpy() -> object:
        smallest = np.partition(np.abs(weights).reshape(-1), count - 1)[:count]
        return smallest[-1], np.square(smallest).sum(dtype=np.float64)

    calls: Calls = {"torch kthvalue": by_torch, "numpy partition": by_numpy}
    one, several = Magnitudes.of([weights]), Magnitudes.of(np.array_split(weights, _LAYERS))
    taken = interleaved({"one": lambda: one.cut(np.array([count])), "several": lambda: _move(several, count), **calls})
    seconds = taken.pop("one"), taken.pop("several")
    yield Row("threshold", "25 M weights sorted before: threshold and error of one tensor", 1, seconds[0], taken)
    case = f"25 M weights sorted before: one threshold for {_LAYERS} tensors, with the error of each"
    yield Row("threshold", case, 1, seconds[1], taken)


def _move(magnitudes: Magnitudes, count: int) -> object:
    return magnitudes.cut(magnitudes.smallest_of_all(count))


def _preparation(weights: Floats, threads: int) -> Row:
    layers = np.array_split(weights, _LAYERS)
    dense = torch.from_numpy(weights.reshape(-1))
    calls: Calls = {
        "kernel": lambda: Magnitudes.of(layers, threads),
        "torch sort": lambda: dense.abs().sort(),
    }
    taken = interleaved(calls, rounds=5)
    return Row("threshold", f"25 M weights in {_LAYERS} tensors: the sort, once", threads, taken.pop("kernel"), taken)


def _quantisation(weights: Floats, threads: int) -> Iterator[Row]:
    out, copy = aligned(weights.shape, np.float32), aligned(weights.shape, np.float32)
    centres = np.array([2 ** (bits - 1) - 1 for bits in _WIDTHS], np.float32)
    scales = np.abs(weights).max(axis=1) / centres[:, None]
    zero_points = np.repeat(centres[:, None], _ROWS, axis=1)
    highest = 2 * centres.astype(np.int64)
    dense = torch.from_numpy(weights)
    none = torch.zeros(_ROWS, dtype=torch.int32)

    def by_torch(width: int) -> object:
        scale, most = torch.from_numpy(scales[width])[:, None], float(centres[width])
        levels = (dense / scale).round_().clamp_(-most, most).mul_(scale)
        return levels, (dense - levels).square_().sum()

    def by_torch_kernel(width: int) -> object:
        most = int(centres[width])
        levels = torch.fake_quantize_per_channel_affine(dense, torch.from_numpy(scales[width]), none, 0, -most, most)
        return levels, (dense - levels).square_().sum()

    four = _WIDTHS.index(4)
    calls: Calls = {
        "kernel": lambda: fake_quantize(
            weights, scales[four], zero_points[four], int(highest[four]), _COLUMNS, None, threads, out
        ),
        "torch operations": lambda: by_torch(four),
        "torch.fake_quantize": lambda: by_torch_kernel(four),
        "memcpy": lambda: np.copyto(copy, weights),
    }
    taken = interleaved(calls, rounds=15)
    seconds = taken.pop("kernel")
    case = "25 M weights, 4 bits per channel, with the error"
    # What bounds it is memory: as many bytes come and go as in a copy, which runs on one thread.
    share = taken["memcpy"] / seconds if threads == 1 else None
    yield Row("fake_quantize", case, threads, seconds, taken, share)
    calls = {
        "kernel": lambda: quantisation_errors(weights, scales, zero_points, highest, _COLUMNS, threads),
        "torch operations": lambda: [by_torch(width) for width in range(len(_WIDTHS))],
        "memcpy": lambda: np.copyto(copy, weights),
    }
    taken = interleaved(calls, rounds=5)
    seconds = taken.pop("kernel")
    yield Row("fake_quantize", f"25 M weights, the error alone at {len(_WIDTHS)} widths", threads, seconds, taken)
