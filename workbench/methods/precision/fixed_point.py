"""Fixed-point weights ⟨IL, FL⟩ of up to 16 bits."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.fixed_point import FixedPoint as Grid


@dataclass(frozen=True)
class FixedPoint(Layerwise):
    """Every weight at the nearest multiple of 2^−FL in [−2^(IL−1), 2^(IL−1) − 2^−FL], saturating at both ends.

    FL = bits − IL. Gupta et al. train with every tensor on such a grid and stochastic rounding, of which this is a
    preview.
    """

    catalogue = ("NP-01",)
    title = "Fixed point"
    paper = "Gupta, Agrawal, Gopalakrishnan, Narayanan, Deep learning with limited numerical precision, 2015, section 3"
    faithful = False

    bits: int = setting(16, "Width of a stored weight, IL + FL.", unit="bits", low=2, high=16, step=1)
    integer: int = setting(
        2, "Bits before the point, the sign included (IL); no more than the width.", unit="bits", low=1, high=16, step=1
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        integer = min(self.integer, self.bits)
        grid = Grid(integer, self.bits - integer)
        return form.with_parts([part.rounded(grid) for part in form.parts])
