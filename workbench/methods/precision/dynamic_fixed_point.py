"""Dynamic fixed point: a layer's weights share one exponent, which is as small as their range allows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch

from workbench.method import Layerwise, setting
from workbench.methods.precision._grids import fitting
from workbench.weights.form import Form
from workbench.weights.levels.fixed_point import FixedPoint as Grid
from workbench.weights.part import Part


@dataclass(frozen=True)
class DynamicFixedPoint(Layerwise):
    """Every weight at the nearest multiple of 2^(IL − bits) in [−2^(IL−1), 2^(IL−1)), IL a layer's own whole number.

    IL is where the rule of the paper comes to rest on these weights: doubled while a larger share than `overflow` is
    beyond the range, halved while a smaller one would be beyond half of it. With no overflow allowed it covers all.
    """

    catalogue = ("NP-05",)
    title = "Dynamic fixed point"
    paper = (
        "Williamson, Dynamically scaled fixed point arithmetic, 1991; Courbariaux et al., arXiv 1412.7024, section 5"
    )
    faithful = False

    bits: int = setting(8, "Width of a stored weight.", unit="bits", low=2, high=16, step=1)
    overflow: float = setting(
        0.0,
        "Share of the weights that may be cut to the ends of the range.",
        unit="share",
        low=0.0,
        high=0.1,
        step=0.001,
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([part.rounded(self._grid(part)) for part in form.parts])

    def _grid(self, part: Part) -> Grid:
        integer = fitting(torch.from_numpy(part.values), self.overflow)
        return Grid(integer, self.bits - integer)
