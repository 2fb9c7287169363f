"""Slow, obvious references for the kernels and encodings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack(codes: list[int], bits: int) -> bytes:
    """Codes as one long little-endian number."""
    number = 0
    for index, code in enumerate(codes):
        number += code << (bits * index)
    return number.to_bytes((len(codes) * bits + 7) // 8, "little")


def unpack(stream: bytes, bits: int, count: int) -> list[int]:
    number = int.from_bytes(stream, "little")
    return [(number >> (bits * index)) & (2**bits - 1) for index in range(count)]


def relative_index(values: list[float], bits: int) -> list[tuple[int, float]]:
    """(zeros skipped, value) of each entry; one of value 0.0 is a filler (Han et al. 2016, section 2, figure 2)."""
    written: list[tuple[int, float]] = []
    found: list[tuple[int, float]] = []  # up to the last survivor; zeros after it are not written
    gap = 0
    for value in values:
        if value != 0 or gap == 2**bits - 1:
            written.append((gap, value))
            gap = 0
            if value != 0:
                found = list(written)
        else:
            gap += 1
    return found


def from_relative_index(written: list[tuple[int, float]], count: int) -> list[float]:
    values = [0.0] * count
    position = -1
    for gap, value in written:
        position += gap + 1
        values[position] = value
    return values


def affine(
    codes: NDArray[np.uint8], scale: NDArray[np.float32], zero_point: NDArray[np.float32], group: NDArray[np.int64]
) -> list[float]:
    """scale · (code − zero point) for every weight, in float32; group: which scale each weight takes."""
    return [
        float(np.float32(scale[g]) * (np.float32(code) - np.float32(zero_point[g])))
        for code, g in zip(codes.reshape(-1).tolist(), group.reshape(-1).tolist(), strict=True)
    ]
