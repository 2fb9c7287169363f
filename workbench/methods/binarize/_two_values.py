"""What binarisation of weights alone shares: ±H, one H for all weights of a tensor, by sign or by chance."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.method import setting
from workbench.weights.arrays import Floats
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.part import Part

Height = Literal["mean", "one"]
_TINY = float(np.finfo(np.float32).tiny)


def height_setting() -> Any:
    """A method's field that says what H is."""
    return setting(
        "mean",
        "What the two values are: plus and minus the layer's mean magnitude, or plus and minus one, for layers that "
        "batch norm follows.",
        choices=("mean", "one"),
    )


def height_of(values: NDArray[np.floating], height: Height) -> float:
    """H of a tensor; the mean is over the weights that are not zero."""
    left = np.count_nonzero(values)
    if height == "one" or not left:
        return 1.0
    return max(float(np.float32(np.abs(values).sum(dtype=np.float64) / left)), _TINY)


def positive(values: Floats) -> NDArray[np.bool_]:
    """Which become +1: those that are not below zero (deterministic binarisation; sign(0) = +1)."""
    return values >= 0


def drawn_positive(values: Floats, height: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which become +1, each with the probability clip((x / H + 1) / 2, 0, 1), the hard sigmoid of x / H."""
    chance = np.clip((values / np.float32(height) + np.float32(1)) / np.float32(2), 0, 1)
    return random.random(values.shape, np.float32) < chance


def on_two_values(part: Part, above: NDArray[np.bool_], height: float) -> Part:
    """+H where `above` says so, −H elsewhere. A weight that is exactly zero was cut and stays zero."""
    scale, point = np.full(1, 2 * height, np.float32), np.full(1, symmetric_zero_point(1), np.float32)
    levels = Affine(1, Grouping("tensor"), scale, point, symmetric=True)
    return Part.on_levels(levels, above.astype(np.uint8), part.values == 0)
