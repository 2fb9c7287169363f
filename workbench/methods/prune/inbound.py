"""Inbound pruning: each output map is left with those input channels that add to it most differently."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from workbench.evidence import Evidence, Floats, Layout
from workbench.method import Calibrated, setting
from workbench.methods.prune._gone import Gone, least, least_of_each
from workbench.weights.form import Form


@dataclass(frozen=True)
class Inbound(Calibrated):
    """In each layer the kernels of least σ² go: σ²_tc is the variance over images of ‖W_tc ∗ x_c‖ over all positions.

    W_tc is the kernel by which input channel c adds to output map t; of a linear layer it is one weight, and the norm a
    magnitude. Kernels that are gone already go first; ties in storage order. What adds alike to every image is lost
    with them, which Polyak and Wolf train on to make up for: of that this is a preview.
    """

    catalogue = ("PR-06",)
    title = "Inbound pruning"
    paper = "Polyak, Wolf, Channel-level acceleration of deep face representations, IEEE Access 2015, section III-A"
    faithful = False

    share: float = setting(
        0.0, "Share of the kernels between channels set to zero.", unit="share", low=0.0, high=1.0, step=0.01
    )
    scope: Literal["output", "layer"] = setting(
        "output",
        "Leave every output map as many input channels (output), or rank all kernels of a layer together (layer).",
        choices=("output", "layer"),
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if form.factored:
            return "is a product of matrices, in which no kernel stands between two channels alone"
        return layout.not_unrolled

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        if self.share == 0:
            return dict.fromkeys(forms)
        return {name: self._going(form, evidence.inbound(name)) for name, form in forms.items()}

    def _going(self, form: Form, variances: Floats) -> Gone:
        filled = form.parts[0].values.reshape(*form.shape[:2], -1).any(2)
        scores = np.where(filled, variances, -1.0)
        return Gone.of((least if self.scope == "layer" else least_of_each)(scores, self.share))

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form if decision is None else cast(Gone, decision).left_of(form)
