"""LightNN: every weight becomes a sum of a few signed powers of two, a multiplication a few shifts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.powers_of_two import PowersOfTwo


@dataclass(frozen=True)
class LightNN(Layerwise):
    """Q_0 = 0, r = w − Q_j, Q_{j+1} = Q_j + sign(r) · 2^round(log2 |r|), up to `terms` terms.

    The exponents reach from the tensor's largest weight fourteen below; smaller terms are dropped. Ding et al. train on
    with the powers in place, of which this is a preview.
    """

    catalogue = ("QU-07",)
    title = "LightNN (powers of two)"
    paper = "Ding, Liu, Shi, Marculescu, Blanton, LightNN, GLSVLSI 2017, section 3"
    faithful = False

    terms: int = setting(1, "How many signed powers of two make a weight.", unit="terms", low=1, high=3, step=1)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([part.rounded(PowersOfTwo.over(part.values, self.terms)) for part in form.parts])
