"""Product quantisation: stretches of a layer's rows share tables of vectors."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.methods.quantize._vectors import tables
from workbench.weights.form import Form


@dataclass(frozen=True)
class ProductQuantisation(Layerwise):
    """The matrix [out, in·kh·kw] is cut into stretches of `length` columns; in each, k-means finds 2^bits vectors.

    k-means is Lloyd's, from rows evenly spread over those in the order of their sums. A table has no more vectors than
    the layer has outputs. With stretches of one column it is scalar quantisation of each column by itself.
    """

    catalogue = ("QU-04",)
    title = "Product quantisation"
    paper = "Gong, Liu, Yang, Bourdev, Compressing deep convolutional networks using vector quantization, 2014, 3.3"
    faithful = True

    bits: int = setting(
        4, "Width of the index of a vector; a table holds 2^bits of them.", unit="bits", low=1, high=8, step=1
    )
    length: int = setting(4, "Weights of a row that one vector stands for.", unit="weights", low=1, high=16, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if form.weights else "holds no weight"

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([part.rounded(tables(part.values, self.length, 2**self.bits)) for part in form.parts])
