"""Group-wise brain damage: a convolution's columns of smallest norm vanish, so that its matrix gets thinner."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.part import Part


@dataclass(frozen=True)
class GroupWise(Layerwise):
    """In each layer exactly round(share · groups) groups vanish, those of the smallest ℓ2 norm; ties in order.

    A group Γ(i, j, c) holds the weights at one place (i, j) of all filters for input channel c: a column of the matrix
    that an image unrolled by im2col is multiplied with, which both then do without. In a linear layer it is what one
    input is multiplied with; in a grouped convolution the same column of every group. Lebedev and Lempitsky shrink the
    groups by an ℓ2,1 penalty while they train on, of which this is a preview.
    """

    catalogue = ("PR-11",)
    title = "Group-wise brain damage"
    paper = "Lebedev, Lempitsky, Fast ConvNets using group-wise brain damage, CVPR 2016, section 3"
    faithful = False

    share: float = setting(0.0, "Share of each layer's groups set to zero.", unit="share", low=0.0, high=1.0, step=0.01)

    def compress(self, form: Form, decision: Hashable) -> Form:
        if self.share == 0:
            return form
        return form.with_parts([self._pruned(part) for part in form.parts])

    def _pruned(self, part: Part) -> Part:
        columns = part.values.reshape(part.shape[0], math.prod(part.shape[1:]))
        norms = np.square(columns, dtype=np.float64).sum(0)
        stays = np.ones(norms.size, bool)
        stays[np.argsort(norms, kind="stable")[: round(self.share * norms.size)]] = False
        return part.kept(np.broadcast_to(stays, columns.shape).reshape(part.shape))
