"""Powers of two, as many a filter as what they leave of it asks for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from workbench.method import Layerwise, setting
from workbench.methods.quantize._shifts import residuals, rounded, said
from workbench.weights.form import Form
from workbench.weights.part import Part


@dataclass(frozen=True)
class ShiftsPerFilter(Layerwise):
    """Q(w_i) = Σ_j 1(‖r_ij‖₂ > t) R(r_ij) with r_i0 = w_i and r_ij what the terms before have left of filter i.

    R rounds each weight to a power of two; t is a share of the layer's mean ‖w_i‖₂. Since ‖r_ij‖ falls in j, filter i
    has as many terms as residuals above t: at t = 0 it is LightNN of `terms` terms, at a large one every filter is
    zero. Ding et al. learn t, of which this is a preview (`quantize.flight-nn`).
    """

    catalogue = ("QU-09",)
    title = "Powers of two per filter"
    paper = "Ding, Liu, Chin, Blanton, Marculescu, FLightNNs, DAC 2019, section 3"
    faithful = False

    terms: int = setting(2, "How many signed powers of two a weight has at most.", unit="terms", low=1, high=3, step=1)
    threshold: float = setting(
        0.15,
        "What is left of a filter must be longer than this share of the layer's mean filter to get another term.",
        unit="share",
        low=0.0,
        high=4.0,
        step=0.005,
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        return rounded(form, [self._terms(part) for part in form.parts])

    def _terms(self, part: Part) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        norms = residuals(part.values, self.terms - 1)
        above = norms > self.threshold * norms[0].mean() if norms.size else norms > 0
        return np.logical_and.accumulate(above).sum(0).astype(np.uint8)

    def remark(self, before: Form, after: Form) -> str | None:
        return said(after)
