"""Quantisation of activations: what enters each layer is rounded to a few levels."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from workbench.evidence import Evidence, Inputs, Layout
from workbench.method import Calibrated, setting
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine

_SHARES = np.linspace(0.05, 1.0, 96)  # of the largest range, tried for the least squared error
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Activations(Calibrated):
    """One uniform grid of 2^bits levels a layer, over a range that calibration images give; zero is always on it.

    Where nothing negative enters (after a ReLU) the grid begins at zero. What is rounded is what the layer receives,
    after batch norm and activation function. Ranges: the smallest and largest number (Jacob et al. 2018), the 0.1th and
    99.9th percentile, or the one of least squared error over the inputs' histogram (as in Banner et al. 2019).
    """

    catalogue = ("QU-14",)
    title = "Quantisation of activations"
    paper = "Jacob et al., Quantization and training of neural networks for integer-only inference, 2018, section 3.1"
    faithful = True

    bits: int = setting(8, "Width of one number that enters a layer.", unit="bits", low=1, high=8, step=1)
    range: Literal["least-error", "percentile", "min-max"] = setting(
        "least-error",
        "Which range the levels cover: the one of least squared error, all but 0.1 % at either end, or all.",
        choices=("least-error", "percentile", "min-max"),
    )
    ends: Literal["spared", "included"] = setting(
        "spared", "Whether the first and the last layer round their inputs, too.", choices=("spared", "included")
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def exemption(self, layout: Layout) -> str | None:
        if self.ends == "included" or not (layout.first or layout.output):
            return None
        return "is the first or the last layer, whose inputs stay float32 unless both ends are included"

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return {name: self._range(evidence.inputs(name)) for name in forms}

    def _range(self, inputs: Inputs) -> tuple[float, float]:
        low, high = min(inputs.low, 0.0), max(inputs.high, 0.0)
        if self.range == "min-max":
            return low, high
        middles = (inputs.edges[1:] + inputs.edges[:-1]) / 2
        if self.range == "percentile":
            below = np.cumsum(inputs.counts) / inputs.counts.sum()
            lowest, highest = np.searchsorted(below, (0.001, 0.999))
            return min(float(inputs.edges[lowest]), 0.0), max(float(inputs.edges[highest + 1]), 0.0)

        def best(ranges: list[tuple[float, float]]) -> tuple[float, float]:
            errors = [_error(middles, inputs.counts, *_grid(low, high, self.bits), self.bits) for low, high in ranges]
            return ranges[int(np.argmin(errors))]

        first, last = best([(share * low, share * high) for share in _SHARES])
        if low < 0 < high:  # both ends together, then each on its own while the other stays
            first, last = best([(first, last), *((share * low, last) for share in _SHARES)])
            first, last = best([(first, last), *((first, share * high) for share in _SHARES)])
        return first, last

    def compress(self, form: Form, decision: Hashable) -> Form:
        scale, point = _grid(*cast("tuple[float, float]", decision), self.bits)
        levels = Affine(
            self.bits,
            Grouping("tensor"),
            np.full(1, scale, np.float32),
            np.full(1, point, np.float32),
            symmetric=False,
        )
        return form.with_entering(levels)


def _grid(low: float, high: float, bits: int) -> tuple[float, float]:
    """Scale and zero point, a whole number, of 2^bits levels from about `low` to about `high`."""
    scale = max((high - low) / (2**bits - 1), _TINY)
    return scale, float(np.rint(-low / scale))


def _error(
    middles: np.ndarray[tuple[int], np.dtype[np.float64]],
    counts: np.ndarray[tuple[int], np.dtype[np.float64]],
    scale: float,
    point: float,
    bits: int,
) -> float:
    """Squared error of rounding numbers that are as frequent as a histogram says."""
    codes = np.clip(np.rint(middles / scale + point), 0, 2**bits - 1)
    return float(counts @ (scale * (codes - point) - middles) ** 2)
