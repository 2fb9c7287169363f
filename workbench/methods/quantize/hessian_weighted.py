"""Hessian-weighted quantisation: k-means in which a weight's error counts by how much the loss bends there."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from workbench.evidence import Evidence, Layout
from workbench.method import Calibrated, setting
from workbench.methods.quantize._clusters import Weighting, centroids_of, order, unweighted, weighted, weighting_setting
from workbench.weights.form import Form
from workbench.weights.levels.codebook import Codebook


@dataclass(frozen=True)
class HessianWeighted(Calibrated):
    """min Σ h_ii (w_i − c_a(i))²: a weight goes to the nearest value, and a value is Σ h w / Σ h of its weights.

    The weights of all layers are clustered together, since h says what each matters: one table for the network, of
    which each layer's file holds the values that it uses. The square root of Adam's second moments may stand in the
    place of the curvature (section 3.5). Weights that are zero already stay zero and do not count.
    """

    catalogue = ("QU-05",)
    title = "Hessian-weighted quantisation"
    paper = "Choi, El-Khamy, Lee, Towards the limit of network quantization, ICLR 2017, section 3"
    faithful = True

    bits: int = setting(
        4, "Width of a weight's index into the shared table, which holds 2^bits values.", unit="bits", low=1, high=8,
        step=1, axis="bits",
    )  # fmt: skip
    weighting: Weighting = weighting_setting("curvature")  # noqa: RUF009 (a field, like `setting`)
    scope: Literal["network", "layer"] = setting(
        "network", "Cluster the weights of all layers together, or of each by themselves.", choices=("network", "layer")
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return unweighted(form, layout)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        h = weighted(self.weighting, forms, evidence)
        if self.scope == "layer" or not forms:
            known = {name: order(form.parts[0].values, h[name]) for name, form in forms.items()}
            return {name: centroids_of(found, 2**self.bits).tobytes() for name, found in known.items()}
        values = np.concatenate([form.parts[0].values.ravel() for form in forms.values()])
        weighing = None if self.weighting == "none" else np.concatenate([h[name].ravel() for name in forms])  # type: ignore[union-attr]
        return dict.fromkeys(forms, centroids_of(order(values, weighing), 2**self.bits).tobytes())

    def compress(self, form: Form, decision: Hashable) -> Form:
        table = np.frombuffer(cast(bytes, decision), np.float32)
        (part,) = form.parts
        alive = part.values[part.values != 0]
        used = np.unique(np.searchsorted(Codebook(self.bits, table).edges, alive)) if alive.size else np.zeros(1, int)
        return form.with_parts([part.rounded(Codebook(max(1, (used.size - 1).bit_length()), table[used]))])
