"""Binarisation of weights and inputs, at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

from workbench.evidence import Evidence, Layout
from workbench.method import Calibrated
from workbench.methods.binarize._signs import (
    Scale,
    binary_weights,
    end_of_network,
    scale_setting,
    speed_up,
    with_sign_inputs,
)
from workbench.weights.form import Form


@dataclass(frozen=True)
class Signs(Calibrated):
    """I ∗ W ≈ (sign I ∗ sign W) ⊙ K α with α = mean |W| of a filter and K the mean |I| of a window (equation 11).

    A network that was not trained so loses most of what it knows: this is the preview of XNOR-Net. Layers that receive
    nothing negative are spared, since all their inputs would have one sign; the paper has batch norm before the signs.
    """

    catalogue = ("BT-06",)
    title = "Binarisation of weights and inputs"
    paper = "Rastegari, Ordonez, Redmon, Farhadi, XNOR-Net, ECCV 2016, section 3.2"
    faithful = False

    scale: Scale = scale_setting()  # noqa: RUF009 (a field, like `setting`)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def exemption(self, layout: Layout) -> str | None:
        return end_of_network(layout)

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        reason = "receives nothing negative (after a ReLU, say), so that all its inputs would have one sign"
        return {name: reason for name in forms if evidence.inputs(name).low >= 0}

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        left = self.spared(forms, evidence)
        return {name: name not in left for name in forms}

    def compress(self, form: Form, decision: Hashable) -> Form:
        return with_sign_inputs(binary_weights().compress(form, None), self.scale) if decision else form

    def remark(self, before: Form, after: Form) -> str | None:
        if after is before or after.factored:
            return None
        channels, *kernel = after.shape[1:]
        return (
            f"Signs on both sides: {speed_up(channels, math.prod(kernel)):.1f} times fewer operations by the paper's "
            "count, of 32-bit products against words of 64 signs; what this machine gains is the measured latency."
        )
