"""Distortion of weights, to see what a network bears."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from workbench.method import Layerwise, setting
from workbench.methods.quantize._distorted import Kind, amount_setting, distorted, kind_setting, usual
from workbench.weights.form import Form


@dataclass(frozen=True)
class Distortion(Layerwise):
    """Every weight as its sign, as its sign by chance, with noise, as a power of its size, or as one of three values.

    In units of the layer's mean |w|, drawn by the seed; zeros stay. Weights stay float32: this saves nothing, and shows
    how much precision a network needs.
    """

    catalogue = ("QU-12",)
    title = "Distortion of weights"
    paper = "Merolla, Appuswamy, Arthur, Esser, Modha, Deep neural networks are robust to weight binarization, 2016, 2"
    faithful = False

    kind: Kind = kind_setting("additive", "What a weight becomes")  # noqa: RUF009 (a field, like `setting`)
    amount: float = amount_setting()
    seed: int = setting(0, "Seed of the draws.", low=0, high=2**31 - 1, step=1)

    def compress(self, form: Form, decision: Hashable) -> Form:
        made = []
        for place, part in enumerate(form.parts):
            random = np.random.default_rng([self.seed, place, *part.shape])
            made.append(distorted(part.values, usual(part.values), self.kind, self.amount, random))
        return form.with_values(made)
