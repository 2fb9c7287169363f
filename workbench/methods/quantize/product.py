"""Product quantisation: stretches of a layer's rows share tables of vectors."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.vectors import Vectors, stretches
from workbench.weights.part import Part

_ROUNDS = 25


@dataclass(frozen=True)
class ProductQuantisation(Layerwise):
    """The matrix [out, in·kh·kw] is cut into stretches of `length` columns; in each, k-means finds 2^bits vectors.

    k-means is Lloyd's, from rows evenly spread over those in the order of their sums. A table has no more vectors than
    the layer has outputs.
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
        return form.with_parts([part.rounded(self._levels(part)) for part in form.parts])

    def _levels(self, part: Part) -> Vectors:
        length = min(self.length, max(math.prod(part.shape[1:]), 1))
        rows = stretches(part.values, length).astype(np.float64)
        count = min(2**self.bits, len(rows))
        tables = np.stack([_table(rows[:, stretch], count) for stretch in range(rows.shape[1])])
        return Vectors(part.shape, tables.astype(np.float32))


def _table(vectors: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A local optimum of the within-cluster squares, [count, length]."""
    spread = np.argsort(vectors.sum(1), kind="stable")
    table = vectors[spread[np.linspace(0, len(vectors) - 1, count).round().astype(int)]]
    nearest = np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        still_wanted()
        now = ((table**2).sum(1) - 2 * vectors @ table.T).argmin(1)
        if (now == nearest).all():
            break
        nearest = now
        members = np.bincount(nearest, minlength=count)
        held = members > 0  # an empty cluster keeps its vector
        for column in range(vectors.shape[1]):
            sums = np.bincount(nearest, vectors[:, column], count)
            table[held, column] = sums[held] / members[held]
    return table
