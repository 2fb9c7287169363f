"""Products with packed weights beside dense torch, oneDNN with packed float32 weights, and NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from time import perf_counter

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Case, Row, interleaved
from workbench.kernels.compiler.features import wide
from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.vector.registers import fma, lane_sum, load

Calls = dict[str, Callable[[], object]]
_SIZE = 4096
_BATCHES = (8, 64, 256)


def cases() -> Iterator[Case]:
    """Every measurement of the family."""
    for bits in (2, 3, 4, 8):
        yield Case("gemv_lowbit", partial(_with_one_vector, bits), quick=bits == 4)
    for bits in (2, 3, 4, 8):
        for batch in _BATCHES if bits == 4 else (64,):
            yield Case("gemm_lowbit", partial(_with_a_batch, bits, batch), quick=bits == 4)


def _weights(bits: int) -> tuple[dict[str, lowbit.LowBit], NDArray[np.float32]]:
    """A matrix under each of the ways to hold its levels, and its values."""
    random = np.random.default_rng(bits)
    codes = random.integers(0, 2**bits, (_SIZE, _SIZE), dtype=np.uint8)
    scale = random.uniform(0.01, 0.1, _SIZE).astype(np.float32)
    zero_point = np.full(_SIZE, 2 ** (bits - 1) - 1, np.float32)
    found = {"per channel": lowbit.affine(codes, bits, scale, zero_point)}
    if bits == 4:
        runs = _SIZE // 64
        found["per group of 64"] = lowbit.affine(
            codes, bits, np.repeat(scale, runs), np.repeat(zero_point, runs), size=64
        )
        found["codebook"] = lowbit.codebook(codes, bits, np.sort(random.standard_normal(2**bits)).astype(np.float32))
    return found, scale[:, None] * (codes - zero_point[:, None])


def _with_one_vector(bits: int, threads: int) -> Iterator[Row]:
    weights, values = _weights(bits)
    x = np.random.default_rng(0).standard_normal(_SIZE, dtype=np.float32)
    calls: Calls = {name: partial(lowbit.gemv, one, x, threads=threads) for name, one in weights.items()}
    opponents = _dense_calls(x[None], values)
    opponents["numpy"] = lambda: values @ x
    yield from _rows("gemv_lowbit", f"{bits} bits, {_SIZE}²", threads, calls, opponents, _SIZE**2)


def _with_a_batch(bits: int, batch: int, threads: int) -> Iterator[Row]:
    weights, values = _weights(bits)
    x = np.random.default_rng(0).standard_normal((batch, _SIZE), dtype=np.float32)
    calls: Calls = {name: partial(lowbit.gemm, one, x, threads=threads) for name, one in weights.items()}
    case = f"{bits} bits, {_SIZE}² × {batch}"
    yield from _rows("gemm_lowbit", case, threads, calls, _dense_calls(x, values), batch * _SIZE**2)


def _rows(kernel: str, case: str, threads: int, calls: Calls, opponents: Calls, products: int) -> Iterator[Row]:
    taken = interleaved({**calls, **opponents}, rounds=15)
    limit = _products_a_second() * threads
    for name in calls:
        share = products / taken[name] / limit
        yield Row(kernel, f"{case}, {name}", threads, taken[name], {one: taken[one] for one in opponents}, share)


def _dense_calls(x: NDArray[np.float32], values: NDArray[np.float32]) -> Calls:
    batch, dense = torch.from_numpy(x), torch.from_numpy(values)
    calls: Calls = {"F.linear": lambda: torch.nn.functional.linear(batch, dense)}
    if torch.backends.mkldnn.is_available():
        packed = torch.ops.mkldnn._reorder_linear_weight(dense, len(batch))
        calls["oneDNN packed f32"] = lambda: torch.ops.mkldnn._linear_pointwise(batch, packed, None, "none", [], "")
    return calls


@cache
def _products_a_second() -> float:
    """Multiply-adds in float32 that one thread reaches with every operand in a register.

    A kernel that takes activations in fixed point may come out above it.
    """
    rounds = 100_000
    numbers = np.random.default_rng(0).uniform(0.1, 0.9, 160).astype(np.float32)
    kernel, lanes = (_multiply, 16) if wide() else (_multiply_half, 8)
    kernel(numbers, 1)
    seconds = []
    for _ in range(9):
        start = perf_counter()
        kernel(numbers, rounds)
        seconds.append(perf_counter() - start)
    return rounds * 8 * lanes / min(seconds)


@numba.njit
def _multiply(numbers, rounds):  # type: ignore[no-untyped-def]
    by, plus = load(numbers, 128, 16), load(numbers, 144, 16)
    a, b, c, d = load(numbers, 0, 16), load(numbers, 16, 16), load(numbers, 32, 16), load(numbers, 48, 16)
    e, f, g, h = load(numbers, 64, 16), load(numbers, 80, 16), load(numbers, 96, 16), load(numbers, 112, 16)
    for _ in range(rounds):
        a, b, c, d = fma(a, by, plus), fma(b, by, plus), fma(c, by, plus), fma(d, by, plus)
        e, f, g, h = fma(e, by, plus), fma(f, by, plus), fma(g, by, plus), fma(h, by, plus)
    return lane_sum(a + b + c + d + e + f + g + h)


@numba.njit
def _multiply_half(numbers, rounds):  # type: ignore[no-untyped-def]
    by, plus = load(numbers, 128, 8), load(numbers, 144, 8)
    a, b, c, d = load(numbers, 0, 8), load(numbers, 16, 8), load(numbers, 32, 8), load(numbers, 48, 8)
    e, f, g, h = load(numbers, 64, 8), load(numbers, 80, 8), load(numbers, 96, 8), load(numbers, 112, 8)
    for _ in range(rounds):
        a, b, c, d = fma(a, by, plus), fma(b, by, plus), fma(c, by, plus), fma(d, by, plus)
        e, f, g, h = fma(e, by, plus), fma(f, by, plus), fma(g, by, plus), fma(h, by, plus)
    return lane_sum(a + b + c + d + e + f + g + h)
