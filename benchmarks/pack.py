"""Packing of codes beside a copy of memory and beside NumPy's bits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Case, Row, interleaved
from workbench.kernels.lowbit import bitpack
from workbench.kernels.lowbit import byte_lanes as lanes
from workbench.kernels.vector.aligned import aligned

_CACHED = 1 << 20  # codes: in the cache packed and unpacked
_LARGE = 25_000_000  # weights of the size of a ResNet-50: in memory only


def cases() -> Iterator[Case]:
    """Every measurement of the family."""
    for bits in range(1, 9):
        yield Case("pack", partial(_pack, bits), quick=bits == 4)
        yield Case("unpack", partial(_unpack, bits), quick=bits == 4)
    for bits in (2, 4, 8):
        yield Case("pack", partial(_quantise, bits))
        yield Case("unpack", partial(_dequantise, bits))


def _codes(bits: int) -> NDArray[np.uint8]:
    return np.random.default_rng(bits).integers(0, 2**bits, _CACHED, dtype=np.uint8)


def _pack(bits: int, threads: int) -> Iterator[Row]:
    codes = _codes(bits)
    packed, copy = lanes.pack(codes, bits), aligned(codes.size, np.uint8)
    taken = interleaved(
        {
            "kernel": lambda: lanes.pack(codes, bits, into=packed, threads=threads),
            "memcpy": lambda: np.copyto(copy, codes),
            "numpy packbits": lambda: _numpy_pack(codes, bits),
            "dense stream": lambda: bitpack.pack(codes, bits),
        }
    )
    yield _row("pack", f"{bits} bits, 1M codes in cache", threads, taken)


def _unpack(bits: int, threads: int) -> Iterator[Row]:
    codes = _codes(bits)
    packed, back = lanes.pack(codes, bits), aligned(codes.size, np.uint8)
    stream, numpy_bits = bitpack.pack(codes, bits), _numpy_pack(codes, bits)
    taken = interleaved(
        {
            "kernel": lambda: lanes.unpack(packed, bits, codes.size, into=back, threads=threads),
            "memcpy": lambda: np.copyto(back, codes),
            "numpy unpackbits": lambda: _numpy_unpack(numpy_bits, bits, codes.size),
            "dense stream": lambda: bitpack.unpack(stream, bits, codes.size),
        }
    )
    yield _row("unpack", f"{bits} bits, 1M codes in cache", threads, taken)


def _weights() -> NDArray[np.float32]:
    weights = aligned(_LARGE, np.float32)
    np.random.default_rng(0).standard_normal(out=weights, dtype=np.float32)
    return weights


def _grid(bits: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.full(1, 8 / 2**bits, np.float32), np.full(1, 2 ** (bits - 1), np.float32)


def _quantise(bits: int, threads: int) -> Iterator[Row]:
    """Weights to packed codes on one grid, beside NumPy's own steps and a copy of the weights."""
    weights, (scale, zero_point) = _weights(), _grid(bits)
    packed, copy = lanes.quantise(weights, bits, scale, zero_point), aligned(weights.size, np.float32)
    taken = interleaved(
        {
            "kernel": lambda: lanes.quantise(weights, bits, scale, zero_point, into=packed, threads=threads),
            "memcpy": lambda: np.copyto(copy, weights),
            "numpy steps": lambda: lanes.pack(
                np.clip(np.rint(weights / scale + zero_point), 0, 2**bits - 1).astype(np.uint8), bits, into=packed
            ),
        },
        rounds=7,
    )
    yield _row("pack", f"{bits} bits, quantised and packed, 25M weights", threads, taken)


def _dequantise(bits: int, threads: int) -> Iterator[Row]:
    """And back."""
    weights, (scale, zero_point) = _weights(), _grid(bits)
    packed, back = lanes.quantise(weights, bits, scale, zero_point), aligned(weights.size, np.float32)
    codes = lanes.unpack(packed, bits, weights.size)
    taken = interleaved(
        {
            "kernel": lambda: lanes.dequantise(
                packed, bits, weights.shape, scale, zero_point, into=back, threads=threads
            ),
            "memcpy": lambda: np.copyto(back, weights),
            "numpy steps": lambda: scale * (codes.astype(np.float32) - zero_point),
        },
        rounds=7,
    )
    yield _row("unpack", f"{bits} bits, unpacked and dequantised, 25M weights", threads, taken)


def _row(kernel: str, case: str, threads: int, taken: dict[str, float]) -> Row:
    seconds = taken.pop("kernel")
    return Row(kernel, case, threads, seconds, taken)


def _numpy_pack(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The dense stream as NumPy's own functions make it."""
    return np.packbits(np.unpackbits(codes[:, None], axis=1, count=bits, bitorder="little"), bitorder="little")


def _numpy_unpack(stream: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    spread = np.unpackbits(stream, count=count * bits, bitorder="little").reshape(count, bits)
    return np.packbits(spread, axis=1, bitorder="little").reshape(-1)
