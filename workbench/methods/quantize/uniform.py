"""Uniform quantisation: every surviving weight is rounded to the nearest level of a uniform grid."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.part import Part

_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Uniform(Layerwise):
    """Round to nearest on a grid per tensor, per channel or per group of 64 weights.

    Symmetric, b ≥ 2: s = max|w| / L with L = 2^(b−1) − 1, so 2L + 1 levels and |w − ŵ| ≤ s/2. Asymmetric, b ≥ 2: 2^b
    levels from min(w, 0) to max(w, 0), the zero point a whole number, so that zero is on the grid. One bit has no level
    at zero: symmetric ±mean|w| (BWN, Rastegari et al. 2016, equation 6), asymmetric μ ± mean|w − μ|. Weights that are
    zero already stay exactly zero and do not count in any of these statistics.
    """

    catalogue = ("QU-14", "BT-05")
    title = "Uniform quantisation"
    paper = "Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018, section 2"
    faithful = True
    outlines = True

    bits: int = setting(8, "Width of one stored weight.", unit="bits", low=1, high=8, step=1, axis="bits")
    per: Literal["tensor", "channel", "group"] = setting(
        "channel",
        "Which weights share one scale: all of a layer, those of one output channel, or 64 neighbours in it.",
        choices=("tensor", "channel", "group"),
    )
    symmetric: Literal["yes", "no"] = setting(
        "yes",
        "Centre the levels on zero (yes) or fit them to the smallest and largest weight (no).",
        choices=("yes", "no"),
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([part.rounded(self._levels(part)) for part in form.parts])

    def outline(self, form: Form) -> Form:
        """Grids of so many levels and scales, whatever the scales are."""
        return self.compress(form, None)

    def _levels(self, part: Part) -> Affine:
        grouping = Grouping(self.per)
        if self.bits == 1:
            scale, zero_point = self._one_bit(*part.deviations(grouping, self.symmetric == "yes"))
        else:
            scale, zero_point = self._range(*(side.astype(np.float64) for side in part.ranges(grouping)))
        symmetric = self.symmetric == "yes"
        return Affine(self.bits, grouping, scale.astype(np.float32), zero_point.astype(np.float32), symmetric)

    def _range(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """low, high: smallest and largest weight of each group, zero among them."""
        if self.symmetric == "yes":
            centre = symmetric_zero_point(self.bits)
            return np.maximum(np.maximum(-low, high) / centre, _TINY), np.full(low.size, centre)
        scale = np.maximum((high - low) / (2**self.bits - 1), _TINY)
        return scale, np.rint(-low / scale)

    def _one_bit(
        self, mean: NDArray[np.float64], spread: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        flat = spread <= 1e-7 * np.abs(mean)  # one value only: two levels, ± that value, hold it without loss
        spread, mean = np.where(flat, np.abs(mean), spread), np.where(flat, 0.0, mean)
        scale = np.maximum(2 * spread, _TINY)
        return scale, 0.5 - mean / scale
