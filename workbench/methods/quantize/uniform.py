"""Uniform quantisation: every surviving weight is rounded to the nearest level of a uniform grid."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.method import Layerwise, setting
from workbench.weights.arrays import Floats
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.part import Part

_TINY = np.finfo(np.float32).tiny
_OUTSIDE = 0.001  # share of the weights that a percentile leaves out at either end
_SHARES = np.linspace(1.0, 0.08, 24)  # of the whole range, tried for the least squared error


@dataclass(frozen=True)
class Uniform(Layerwise):
    """Round to nearest on a grid per tensor, per channel or per group of 64 weights.

    Symmetric, b ≥ 2: s = max|w| / L with L = 2^(b−1) − 1, so 2L + 1 levels and |w − ŵ| ≤ s/2. Asymmetric, b ≥ 2: 2^b
    levels from min(w, 0) to max(w, 0), the zero point a whole number, so that zero is on the grid. Either range may
    leave out 0.1 % of the weights at each end, or shrink to where the squared error is least; what lies outside goes to
    the last level. Where a scale is for one channel or a piece of it, folding batch norm into the weights would only
    multiply the scale by the channel's factor, so nothing is folded. One bit has no level at zero: symmetric ±mean|w|
    (BWN, Rastegari et al. 2016, equation 6), asymmetric μ ± mean|w − μ|. Weights that are zero already stay exactly
    zero and do not count in any of these statistics.
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
    range: Literal["min-max", "percentile", "least-error"] = setting(
        "min-max",
        "Which range the levels cover: all weights, all but 0.1 % at either end, or the one of least squared error.",
        choices=("min-max", "percentile", "least-error"),
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
        return replace(self, range="min-max").compress(form, None)

    def _levels(self, part: Part) -> Affine:
        grouping = Grouping(self.per)
        if self.bits == 1:
            scale, zero_point = self._one_bit(*part.deviations(grouping, self.symmetric == "yes"))
        else:
            low, high = (side.astype(np.float64) for side in part.ranges(grouping))
            if self.range == "percentile":
                low, high = _inner(_grouped(part.values, grouping), low, high, self.symmetric == "yes")
            elif self.range == "least-error":
                low, high = self._nearest(part.values, grouping, low, high)
            scale, zero_point = self._grid(low, high)
        return self._affine(grouping, scale, zero_point)

    def _affine(self, grouping: Grouping, scale: NDArray[np.float64], zero_point: NDArray[np.float64]) -> Affine:
        symmetric = self.symmetric == "yes"
        return Affine(self.bits, grouping, scale.astype(np.float32), zero_point.astype(np.float32), symmetric)

    def _nearest(
        self, values: Floats, grouping: Grouping, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of several shares of each group's range, the one whose levels are nearest to the weights."""
        best, least = np.ones_like(low), np.full(low.shape, np.inf)
        for share in _SHARES:
            still_wanted()
            levels = self._affine(grouping, *self._grid(share * low, share * high))
            error = (_grouped(levels.nearest(values, None) - values, grouping).astype(np.float64) ** 2).sum(1)
            best, least = np.where(error < least, share, best), np.minimum(error, least)
        return best * low, best * high

    def _grid(
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


def _grouped(values: Floats, grouping: Grouping) -> Floats:
    """[groups, weights of one]; the last run of a row is filled up with zeros."""
    rows = values.reshape(values.shape[0], math.prod(values.shape[1:]))
    if grouping.granularity == "tensor":
        return rows.reshape(1, -1)
    if grouping.granularity == "channel":
        return rows
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % grouping.size))).reshape(-1, grouping.size)


def _inner(
    groups: Floats, low: NDArray[np.float64], high: NDArray[np.float64], symmetric: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The range without one in a thousand of a group's weights at each end, or of its magnitudes; zeros are none."""
    if groups.shape[1] == 0:
        return low, high
    ordered = np.sort(np.abs(groups) if symmetric else groups, axis=1).astype(np.float64)
    outside = (_OUTSIDE * np.count_nonzero(groups, axis=1)).astype(np.int64)
    row = np.arange(len(groups))
    last = ordered[row, groups.shape[1] - 1 - outside]
    if symmetric:
        return -last, last
    return np.minimum(ordered[row, outside], 0.0), np.maximum(last, 0.0)
