"""Truncated SVD of a layer's weight matrix: one layer becomes two thinner ones."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.methods.factorize._spectrum import factors
from workbench.weights.blank import Blank
from workbench.weights.form import POINT, Factor, Form
from workbench.weights.part import Part


@dataclass(frozen=True)
class SVD(Layerwise):
    """W [m, n] ≈ (U√S)(√S Vᵀ) with r = round(rank · min(m, n)) singular values kept, at least one.

    A convolution is read as the matrix [out, in·kh·kw] (the channel form): a kh×kw convolution to r channels, then a
    1×1 convolution. The squared error is the sum of the squared singular values left out (Eckart and Young 1936).
    """

    catalogue = ("FA-01",)
    title = "Truncated SVD (channel form)"
    paper = "Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, 2015, section 3.1 (channel form)"
    faithful = True
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
        rank, ones = self._kept(form.shape), (1,) * (len(form.shape) - 2)
        first, second = Blank((rank, *form.shape[1:])), Blank((form.shape[0], rank, *ones))
        return Form((Factor(first), Factor(second, POINT)), form.entering)

    def _kept(self, shape: tuple[int, ...]) -> int:
        """Singular values that stay."""
        return max(1, round(self.rank * min(shape[0], math.prod(shape[1:]))))

    def compress(self, form: Form, decision: Hashable) -> Form:
        shape = form.shape
        columns, rank = math.prod(shape[1:]), self._kept(shape)
        first, second = factors(form, "channel", lambda: form.compose().reshape(shape[0], columns), rank)
        ones = (1,) * (len(shape) - 2)
        return Form(
            (Factor(Part(first.reshape(rank, *shape[1:]))), Factor(Part(second.reshape(shape[0], rank, *ones)), POINT))
        )
