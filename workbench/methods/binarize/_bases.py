"""What ABC-Net and its preview share: the binary bases of a weight tensor, and their least-squares scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.weights.arrays import Floats
from workbench.weights.levels.binary_bases import BinaryBases
from workbench.weights.part import Part


def shares(count: int) -> NDArray[np.float64]:
    """u_i = −1 + 2 (i − 1) / (M − 1), of one base 0 (equation 4)."""
    return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)


def codes_of(values: Floats, count: int) -> NDArray[np.uint8]:
    """Bit i of a weight's code: whether w − mean(W) + u_i · std(W) is not below zero. Zeros do not count in either."""
    left = values[values != 0].astype(np.float64)
    mean, spread = (float(left.mean()), float(left.std())) if left.size else (0.0, 0.0)
    codes = np.zeros(values.shape, np.uint8)
    for place, share in enumerate(shares(count)):
        codes |= ((values - mean + share * spread >= 0) << place).astype(np.uint8)
    return codes


def scales_of(values: Floats, codes: NDArray[np.uint8], count: int) -> Floats:
    """α that minimise |W − Σ α_i B_i|² over the weights that are not zero (equation 3)."""
    left = values != 0
    signs = BinaryBases(np.zeros(count, np.float32)).signs(codes[left])
    gram, seen = signs.T @ signs, signs.T @ values[left].astype(np.float64)
    return np.linalg.lstsq(gram, seen, rcond=1e-9)[0].astype(np.float32)


def on_bases(part: Part, count: int) -> Part:
    """W ≈ Σ α_i B_i. Zeros, which were cut, stay."""
    codes = codes_of(part.values, count)
    return Part.on_levels(BinaryBases(scales_of(part.values, codes, count)), codes, part.values == 0)
