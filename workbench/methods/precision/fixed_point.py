"""Fixed-point weights ⟨IL, FL⟩ of up to 16 bits."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.fixed_point import FixedPoint as Grid
from workbench.weights.part import Part


@dataclass(frozen=True)
class FixedPoint(Layerwise):
    """Every weight at a multiple of 2^−FL in [−2^(IL−1), 2^(IL−1) − 2^−FL], saturating at both ends; FL = bits − IL.

    Nearest: halves go to the even multiple. Stochastic: to one of both neighbours, the nearer the likelier, so that it
    is the weight itself on average; one draw by the seed. Zeros stay. Gupta et al. train with every tensor on such a
    grid, of which this is a preview.
    """

    catalogue = ("NP-01", "NP-02", "NP-03")
    title = "Fixed point"
    paper = "Gupta, Agrawal, Gopalakrishnan, Narayanan, Deep learning with limited numerical precision, 2015, section 3"
    faithful = False

    bits: int = setting(16, "Width of a stored weight, IL + FL.", unit="bits", low=2, high=16, step=1)
    integer: int = setting(
        2, "Bits before the point, the sign included (IL); no more than the width.", unit="bits", low=1, high=16, step=1
    )

    rounding: Literal["nearest", "stochastic"] = setting(
        "nearest",
        "What becomes of a weight between two multiples: the nearer, or one of both by chance.",
        choices=("nearest", "stochastic"),
    )
    seed: int = setting(0, "Seed of stochastic rounding.", low=0, high=2**31 - 1, step=1)

    def compress(self, form: Form, decision: Hashable) -> Form:
        integer = min(self.integer, self.bits)
        grid = Grid(integer, self.bits - integer)
        if self.rounding == "nearest":
            return form.with_parts([part.rounded(grid) for part in form.parts])
        return form.with_parts([self._drawn(part, grid, place) for place, part in enumerate(form.parts)])

    def _drawn(self, part: Part, grid: Grid, place: int) -> Part:
        random = np.random.default_rng([self.seed, place, *part.shape])
        return Part.on_levels(grid, grid.drawn(part.values, random), part.values == 0)
