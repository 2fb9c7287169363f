"""Stochastic binarisation: weights by chance, the likelier +1 the larger they are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from workbench.method import Layerwise, setting
from workbench.methods.binarize._two_values import Height, drawn_positive, height_of, height_setting, on_two_values
from workbench.weights.form import Form
from workbench.weights.part import Part


@dataclass(frozen=True)
class Stochastic(Layerwise):
    """w becomes +H with the probability clip((w / H + 1) / 2, 0, 1), else −H, so that it is clip(w, −H, H) on average.

    One draw a weight by the seed; BinaryConnect draws anew in each step of its training. Zeros, which were cut, stay.
    """

    catalogue = ("BT-02",)
    title = "Stochastic binarisation"
    paper = "Courbariaux, Bengio, David, BinaryConnect, NeurIPS 2015, section 2.2, equation 2"
    faithful = False

    height: Height = height_setting()  # noqa: RUF009 (a field, like `setting`)
    seed: int = setting(0, "Seed of the draws.", low=0, high=2**31 - 1, step=1)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([self._drawn(part, place) for place, part in enumerate(form.parts)])

    def _drawn(self, part: Part, place: int) -> Part:
        height, random = height_of(part.values, self.height), np.random.default_rng([self.seed, place, *part.shape])
        return on_two_values(part, drawn_positive(part.values, height, random), height)
