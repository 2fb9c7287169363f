"""The weights of DoReFa-Net, at once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.methods.quantize._dorefa import end_of_network, on_levels
from workbench.weights.form import Form


@dataclass(frozen=True)
class DorefaWeights(Layerwise):
    """w = 2 q_k(tanh r / (2 max |tanh r|) + ½) − 1, on 2^k levels from −1 to 1; of one bit sign(r) · E |r|.

    Training is what fits a network to weights that fill [−1, 1]: this is a preview of DoReFa-Net.
    """

    catalogue = ("QU-10",)
    title = "Weights of DoReFa-Net"
    paper = "Zhou, Wu, Ni, Zhou, Wen, Zou, DoReFa-Net, 2016, arXiv 1606.06160, section 2.3"
    faithful = False

    bits: int = setting(1, "Width of one stored weight.", unit="bits", low=1, high=8, step=1)

    def exemption(self, layout: Layout) -> str | None:
        return end_of_network(layout)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([on_levels(part, self.bits) for part in form.parts])
