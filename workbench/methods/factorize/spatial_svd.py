"""Truncated SVD in the spatial form: a k×k convolution becomes a vertical and a horizontal one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.methods.factorize._spectrum import factors
from workbench.weights.arrays import Floats
from workbench.weights.blank import Blank
from workbench.weights.form import POINT, Factor, Form, Passage
from workbench.weights.part import Part


@dataclass(frozen=True)
class SpatialSVD(Layerwise):
    """K [out, in, kh, kw] read as the matrix [out·kw, in·kh], of which round(rank · min) singular values are kept.

    Closed form and the global optimum of a kh×1 convolution to r channels followed by a 1×kw one (Tai et al. 2016,
    theorem 1). A linear layer is the case kh = kw = 1, where it is the plain SVD. Tai et al. then train with batch
    normalisation between the two, of which this is a preview.
    """

    catalogue = ("FA-04", "FA-05")
    title = "Truncated SVD (spatial form)"
    paper = (
        "Tai, Xiao, Zhang, Wang, E, Convolutional neural networks with low-rank regularization, ICLR 2016, section 2"
    )
    faithful = False
    outlines = True

    rank: float = setting(
        1.0, "Share of the singular values kept in each layer.", unit="share", low=0.0, high=1.0, step=0.01, axis="rank"
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unfactorable or ("is factored already" if form.factored else None)

    def exemption(self, layout: Layout) -> str | None:
        return (
            "gives the class scores, which fewer directions than classes cannot tell apart" if layout.output else None
        )

    def outline(self, form: Form) -> Form:
        """Factors of the shapes that they have; what is left of the layer in them would follow from its values."""
        out, channels, height, width = (*form.shape, 1, 1)[:4]
        rank = self._kept(form.shape)
        if len(form.shape) == 2:
            return Form((Factor(Blank((rank, channels))), Factor(Blank((out, rank)), POINT)), form.entering)
        vertical = Factor(Blank((rank, channels, height, 1)), Passage(columns=False))
        return Form((vertical, Factor(Blank((out, rank, 1, width)), Passage(rows=False))), form.entering)

    def _kept(self, shape: tuple[int, ...]) -> int:
        """Singular values that stay."""
        out, channels, height, width = (*shape, 1, 1)[:4]
        return max(1, round(self.rank * min(out * width, channels * height)))

    def compress(self, form: Form, decision: Hashable) -> Form:
        out, channels, height, width = (*form.shape, 1, 1)[:4]
        rank = self._kept(form.shape)

        def matrix() -> Floats:
            weight = form.compose().reshape(out, channels, height, width)
            return weight.transpose(0, 3, 1, 2).reshape(out * width, channels * height)

        vertical, horizontal = factors(form, "spatial", matrix, rank)
        if len(form.shape) == 2:
            return Form((Factor(Part(vertical)), Factor(Part(horizontal), POINT)))
        first = vertical.reshape(rank, channels, height, 1)
        second = np.ascontiguousarray(horizontal.reshape(out, width, rank).transpose(0, 2, 1))
        return Form(
            (
                Factor(Part(first), Passage(columns=False)),
                Factor(Part(second.reshape(out, rank, 1, width)), Passage(rows=False)),
            )
        )
