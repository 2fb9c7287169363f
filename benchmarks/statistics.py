"""Thresholds and fake-quantisation of 25 million weights beside torch, NumPy and a plain copy of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Case, Row, interleaved
from workbench.kernels.statistics.fake_quantize import fake_quantize
from workbench.kernels.statistics.magnitudes import ascending, smallest_of_all
from workbench.kernels.vector.aligned import aligned

Floats = NDArray[np.float32]
Calls = dict[str, Callable[[], object]]
_ROWS, _COLUMNS = 5000, 5000
_LAYERS = 54
_SPARSITY = 0.7


def cases() -> Iterator[Case]:
    """Every measurement of the family.

    The library sorts each tensor when it is first pruned, and a move is too short to share out.
    """
    yield Case("threshold", _moves, quick=True, shared=False)
    yield Case("threshold", _preparation, shared=False)
    yield Case("fake_quantize", _quantisation, quick=True)


def _weights() -> Floats:
    weights = aligned((_ROWS, _COLUMNS), np.float32)
    np.random.default_rng(0).standard_normal(out=weights, dtype=np.float32)
    return weights


def _moves(threads: int) -> Iterator[Row]:
    weights = _weights()
    count = round(_SPARSITY * weights.size)
    magnitude = torch.from_numpy(weights.reshape(-1)).abs()

    def by_numpy() -> object:
        return np.partition(np.abs(weights).reshape(-1), count - 1)[count - 1]

    ordered = [ascending(layer) for layer in np.array_split(weights, _LAYERS)]
    calls: Calls = {
        "kernel": lambda: smallest_of_all(ordered, count),
        "torch kthvalue": lambda: magnitude.kthvalue(count).values,
        "numpy partition": by_numpy,
    }
    taken = interleaved(calls)
    case = f"25 M weights sorted before: how many of each of {_LAYERS} tensors one threshold takes"
    yield Row("threshold", case, threads, taken.pop("kernel"), taken)


def _preparation(threads: int) -> Iterator[Row]:
    weights = _weights()
    layers = np.array_split(weights, _LAYERS)
    dense = torch.from_numpy(weights.reshape(-1))
    calls: Calls = {
        "kernel": lambda: [ascending(layer) for layer in layers],
        "torch sort": lambda: dense.abs().sort(),
    }
    taken = interleaved(calls, rounds=5)
    yield Row("threshold", f"25 M weights in {_LAYERS} tensors: the sort, once", threads, taken.pop("kernel"), taken)


def _quantisation(threads: int) -> Iterator[Row]:
    weights = _weights()
    out, copy = aligned(weights.shape, np.float32), aligned(weights.shape, np.float32)
    scale = np.abs(weights).max(axis=1) / np.float32(7)
    zero_point = np.full(_ROWS, 7, np.float32)
    dense = torch.from_numpy(weights)
    scales, none = torch.from_numpy(scale), torch.zeros(_ROWS, dtype=torch.int32)
    calls: Calls = {
        "kernel": lambda: fake_quantize(weights, scale, zero_point, 14, _COLUMNS, None, threads, out),
        "torch operations": lambda: (dense / scales[:, None]).round_().clamp_(-7, 7).mul_(scales[:, None]),
        "torch.fake_quantize": lambda: torch.fake_quantize_per_channel_affine(dense, scales, none, 0, -7, 7),
        "memcpy": lambda: np.copyto(copy, weights),
    }
    taken = interleaved(calls, rounds=15)
    seconds = taken.pop("kernel")
    # What bounds it is memory: as many bytes come and go as in a copy, which runs on one thread.
    share = taken["memcpy"] / seconds if threads == 1 else None
    yield Row("fake_quantize", "25 M weights, 4 bits per channel", threads, seconds, taken, share)
