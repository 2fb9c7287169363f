"""Uniform quantisation: every surviving weight is rounded to the nearest level of a uniform grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.form import Affine, Floats, Form, Grouping, Part, symmetric_zero_point
from workbench.method import Method, setting

_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Uniform(Method):
    """Round to nearest on a grid per tensor, per channel or per group of 64 weights.

    Symmetric, b ≥ 2: s = max|w| / L with L = 2^(b−1) − 1, so 2L + 1 levels and |w − ŵ| ≤ s/2. Asymmetric, b ≥ 2: 2^b
    levels from min(w, 0) to max(w, 0), the zero point a whole number, so that zero is on the grid. One bit has no level
    at zero: symmetric ±mean|w| (BWN, Rastegari et al. 2016, equation 6), asymmetric μ ± mean|w − μ|. Weights that are
    zero already stay exactly zero and do not count in any of these statistics.
    """

    catalogue = ("QU-14",)
    title = "Uniform quantisation"
    paper = "Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018, section 2"
    mode = "instant"
    faithful = True

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

    def apply(self, forms: Mapping[str, Form]) -> dict[str, Form]:
        return {
            name: replace(form, parts=tuple(self._quantised(part.values) for part in form.parts))
            for name, form in forms.items()
        }

    def _quantised(self, values: Floats) -> Part:
        grouping = Grouping(self.per)
        blocks = grouping.blocks(values).astype(np.float64)
        scale, zero_point = self._one_bit(blocks) if self.bits == 1 else self._range(blocks)
        levels = Affine(
            self.bits, grouping, scale.astype(np.float32), zero_point.astype(np.float32), self.symmetric == "yes"
        )
        steps = values / grouping.spread(levels.scale, values.shape)
        steps += grouping.spread(levels.zero_point, values.shape)
        codes = np.clip(np.rint(steps), 0, self._highest()).astype(np.uint8)
        return Part.on_levels(levels, codes, values == 0)

    def _highest(self) -> int:
        """Largest code: a symmetric grid leaves its last one unused, to have as many levels above zero as below."""
        return 2**self.bits - 2 if self.symmetric == "yes" and self.bits > 1 else 2**self.bits - 1

    def _range(self, blocks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, high = np.minimum(blocks.min(axis=1), 0), np.maximum(blocks.max(axis=1), 0)
        if self.symmetric == "yes":
            centre = symmetric_zero_point(self.bits)
            return np.maximum(np.maximum(-low, high) / centre, _TINY), np.full(len(blocks), centre)
        scale = np.maximum((high - low) / self._highest(), _TINY)
        return scale, np.rint(-low / scale)

    def _one_bit(self, blocks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        alive = blocks != 0
        members = np.maximum(np.count_nonzero(alive, axis=1), 1)
        mean = np.zeros(len(blocks)) if self.symmetric == "yes" else blocks.sum(axis=1) / members
        spread = np.abs(blocks - mean[:, None]).sum(axis=1, where=alive) / members
        flat = spread <= 1e-7 * np.abs(mean)  # one value only: two levels, ± that value, hold it without loss
        spread, mean = np.where(flat, np.abs(mean), spread), np.where(flat, 0.0, mean)
        scale = np.maximum(2 * spread, _TINY)
        return scale, 0.5 - mean / scale
