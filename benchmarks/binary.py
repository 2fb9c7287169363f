"""Binary products beside dense torch, oneDNN with packed float32 weights, int8, and a plain scalar loop.

A binary product with its operands packed is the bare kernel; "binarisation counted" begins at float32 activations, as a
layer does. The weights are packed once in either case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from time import perf_counter

import numba
import numpy as np
import torch

from benchmarks.measure import Case, Row, interleaved
from workbench.kernels.binary.convolution import conv_binary
from workbench.kernels.binary.mismatches import NATIVE
from workbench.kernels.binary.planes import gemm_planes, pack_plane_weights, pack_planes
from workbench.kernels.binary.signs import gemm_binary, pack_sign_weights, pack_signs
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.registers import lane_sum, popcount, splat

Calls = dict[str, Callable[[], object]]
_SIZE = 1024


def cases() -> Iterator[Case]:
    """Every measurement of the family."""
    yield Case("gemm_binary", partial(_product, False))
    yield Case("gemm_binary", partial(_product, True), quick=True)
    for bits in ((1, 2), (2, 2)):
        yield Case("gemm_binary", partial(_planes, *bits))
    for images in (1, 16):
        yield Case("conv_binary", partial(_convolution, images), quick=images == 1)


def _product(counted: bool, threads: int) -> Iterator[Row]:
    """counted: whether from float32 activations, which are binarised."""
    random = np.random.default_rng(0)
    x, weights = (random.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))
    packed, rows_of = pack_sign_weights(weights), pack_signs(x)
    out = aligned((_SIZE, _SIZE), np.float32)
    y = np.empty_like(out)
    calls: Calls = {
        "kernel": lambda: gemm_binary(pack_signs(x) if counted else rows_of, packed, threads, out),
        **_dense_calls(x, weights),
    }
    if threads == 1:
        calls["naive loop"] = lambda: _naive(x, weights, y)
    case = f"{_SIZE}³, binarisation counted" if counted else f"{_SIZE}³"
    yield _row("gemm_binary", case, threads, interleaved(calls), _SIZE**3)


def _planes(weight_bits: int, bits: int, threads: int) -> Iterator[Row]:
    random = np.random.default_rng(1)
    x = random.integers(0, 2**bits, (_SIZE, _SIZE), dtype=np.uint8)
    weights = random.integers(0, 2**weight_bits, (_SIZE, _SIZE), dtype=np.uint8)
    packed, rows_of = pack_plane_weights(weights, weight_bits), pack_planes(x, bits)
    out = aligned((_SIZE, _SIZE), np.int32)
    left, right = torch.from_numpy(x.view(np.int8)), torch.from_numpy(weights.view(np.int8)).T
    calls: Calls = {
        "kernel": lambda: gemm_planes(rows_of, packed, threads, out),
        **_dense_calls(x.astype(np.float32), weights.astype(np.float32)),
        "int8 torch._int_mm": lambda: torch._int_mm(left, right),
    }
    case = f"{_SIZE}³, weights of {weight_bits} bit{'s'[: weight_bits - 1]}, activations of {bits}"
    yield _row("gemm_binary", case, threads, interleaved(calls), _SIZE**3 * weight_bits * bits)


def _convolution(images: int, threads: int) -> Iterator[Row]:
    random = np.random.default_rng(2)
    x = random.standard_normal((images, 256, 14, 14), dtype=np.float32)
    weights = random.standard_normal((256, 256, 3, 3), dtype=np.float32)
    packed = pack_sign_weights(weights)
    out = aligned((images, 14, 14, 256), np.float32)
    image, kernel = torch.from_numpy(x), torch.from_numpy(weights)
    last = image.contiguous(memory_format=torch.channels_last), kernel.contiguous(memory_format=torch.channels_last)
    calls: Calls = {
        "kernel": lambda: conv_binary(x, packed, 1, 1, 1, threads, out),
        "conv2d": lambda: torch.nn.functional.conv2d(image, kernel, padding=1),
        "conv2d, channels last": lambda: torch.nn.functional.conv2d(*last, padding=1),
    }
    case = f"256→256, 14², 3×3, zero padding, {images} image{'s' if images > 1 else ''}, binarisation counted"
    yield _row("conv_binary", case, threads, interleaved(calls), out.size * 256 * 9)


def _row(kernel: str, case: str, threads: int, taken: dict[str, float], products: int) -> Row:
    seconds = taken.pop("kernel")
    limit = _signs_a_second()
    return Row(kernel, case, threads, seconds, taken, products / seconds / (limit * threads) if limit else None)


def _dense_calls(x: np.ndarray, weights: np.ndarray) -> Calls:
    batch, dense = torch.from_numpy(x), torch.from_numpy(weights)
    calls: Calls = {"F.linear": lambda: torch.nn.functional.linear(batch, dense)}
    if torch.backends.mkldnn.is_available():
        packed = torch.ops.mkldnn._reorder_linear_weight(dense, len(batch))
        calls["oneDNN packed f32"] = lambda: torch.ops.mkldnn._linear_pointwise(batch, packed, None, "none", [], "")
    return calls


@numba.njit
def _naive(x, weights, y):  # type: ignore[no-untyped-def]
    for row in range(len(x)):
        for output in range(len(weights)):
            total = np.float32(0)
            for k in range(x.shape[1]):
                total += x[row, k] * weights[output, k]
            y[row, output] = total


@cache
def _signs_a_second() -> float | None:
    """Products of signs that xor, popcount and add reach with every operand in a register, on one thread.

    None where counting bits is not one instruction. A kernel that shares work between words may come out above.
    """
    if not NATIVE:
        return None
    rounds = 200_000
    _count(1)
    seconds = []
    for _ in range(9):
        start = perf_counter()
        _count(rounds)
        seconds.append(perf_counter() - start)
    return rounds * 8 * 16 * 32 / min(seconds)


@numba.njit
def _count(rounds):  # type: ignore[no-untyped-def]
    a = b = c = d = e = f = g = h = splat(np.uint32(0), 16)
    for i in range(rounds):
        v = splat(np.uint32(i), 16)
        a += popcount(v ^ np.uint32(1))
        b += popcount(v ^ np.uint32(3))
        c += popcount(v ^ np.uint32(5))
        d += popcount(v ^ np.uint32(7))
        e += popcount(v ^ np.uint32(11))
        f += popcount(v ^ np.uint32(13))
        g += popcount(v ^ np.uint32(17))
        h += popcount(v ^ np.uint32(19))
    return lane_sum(a + b + c + d + e + f + g + h)
