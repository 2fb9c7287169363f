"""Weights as sums of binary bases, at once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.method import Layerwise, setting
from workbench.methods.binarize._bases import on_bases
from workbench.weights.form import Form


@dataclass(frozen=True)
class Bases(Layerwise):
    """W ≈ Σ α_i B_i, M terms, with B_i = sign(W − mean(W) + u_i std(W)) and α by least squares, one set a tensor.

    u_i run evenly from −1 to 1. Of one base it is the Binary-Weight Network's sign around the mean. ABC-Net trains with
    such weights, of which this is a preview.
    """

    catalogue = ("BT-07",)
    title = "Sums of binary bases"
    paper = "Lin, Zhao, Pan, Towards accurate binary convolutional neural network, NeurIPS 2017, section 3.1"
    faithful = False

    bases: int = setting(3, "How many binary bases a weight is a sum of (M); a bit each.", low=1, high=5, step=1)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([on_bases(part, self.bases) for part in form.parts])
