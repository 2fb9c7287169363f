"""What distortion of weights and training against it share: a weight's size in its layer, and what may become of it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.method import setting
from workbench.weights.arrays import Floats

Kind = Literal["sign", "stochastic", "additive", "multiplicative", "power", "rounding"]
KINDS = ("sign", "stochastic", "additive", "multiplicative", "power", "rounding")
_TINY = float(np.finfo(np.float32).tiny)


def kind_setting(default: Kind, help: str) -> Any:
    """The field of what is done to weights."""
    return setting(
        default,
        f"{help}: its sign alone, its sign by chance, noise added, noise multiplied, a power of its size, or three "
        "values.",
        choices=KINDS,
    )


def amount_setting() -> Any:
    """The field of how much; signs and three values need none."""
    return setting(
        0.5,
        "Deviation of the noise, in units of the layer's usual weight; of a power, how far it is from 1.",
        low=0.0,
        high=1.5,
        step=0.05,
    )


def usual(values: Floats) -> float:
    """The mean size of the weights that are not zero."""
    left = np.count_nonzero(values)
    return max(float(np.abs(values).sum(dtype=np.float64)) / left, _TINY) if left else 1.0


def distorted(
    values: Floats, height: float, kind: Kind, amount: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """The weights after it, in units of `height`: θ becomes

    sign(θ); ±1, +1 with the chance (clip(θ, −1, 1) + 1) / 2; θ + a N; θ (1 + a N); sign(θ) |θ|^(1 + a); or the nearest
    of −1, 0 and 1. N is normal. Zeros stay.
    """
    theta = values / np.float32(height)
    if kind == "sign":
        made = np.where(theta >= 0, 1.0, -1.0)
    elif kind == "stochastic":
        made = np.where(random.random(theta.shape) < (np.clip(theta, -1, 1) + 1) / 2, 1.0, -1.0)
    elif kind == "additive":
        made = theta + amount * random.standard_normal(theta.shape)
    elif kind == "multiplicative":
        made = theta * (1 + amount * random.standard_normal(theta.shape))
    elif kind == "power":
        made = np.sign(theta) * np.abs(theta) ** (1 + amount)
    else:
        made = np.clip(np.rint(theta), -1, 1)
    return np.where(values == 0, 0.0, made * height).astype(np.float32) + np.float32(0)
