"""Residual quantisation: stretches of rows are sums of vectors, each stage's nearest to what is left."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.methods.quantize._vectors import tables
from workbench.weights.form import Form
from workbench.weights.levels.residual_vectors import ResidualVectors
from workbench.weights.levels.vectors import Vectors
from workbench.weights.part import Part


@dataclass(frozen=True)
class ResidualQuantisation(Layerwise):
    """k-means finds 2^bits vectors of every stretch of `length` columns, then as many of the error, and so on.

    The error falls with every stage, and so do the codes and tables that a stage adds grow the file: each is as large
    as product quantisation of one stage. The paper's vectors are whole rows; here they may be pieces of them.
    """

    catalogue = ("QU-04",)
    title = "Residual quantisation"
    paper = "Gong, Liu, Yang, Bourdev, Compressing deep convolutional networks using vector quantization, 2014, 3.4"
    faithful = True

    bits: int = setting(
        4, "Width of the index of a vector; a table holds 2^bits of them.", unit="bits", low=1, high=8, step=1
    )
    stages: int = setting(2, "How many vectors are added up.", unit="stages", low=1, high=4, step=1)
    length: int = setting(8, "Weights of a row that a vector stands for.", unit="weights", low=1, high=16, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if form.weights else "holds no weight"

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([part.rounded(self._levels(part)) for part in form.parts])

    def _levels(self, part: Part) -> ResidualVectors:
        left, found = part.values, list[Vectors]()
        for _ in range(self.stages):
            found.append(tables(left, self.length, 2**self.bits))
            left = left - found[-1].nearest(left, None)
        return ResidualVectors(tuple(found))
