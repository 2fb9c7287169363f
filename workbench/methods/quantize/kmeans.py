"""K-means weight sharing: all surviving weights of a tensor share a table of 2^b values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.form import Codebook, Floats, Form, Part
from workbench.method import Method, setting

_ROUNDS = 300


@dataclass(frozen=True)
class KMeans(Method):
    """One-dimensional k-means (Lloyd) over the non-zero weights of each tensor, k = 2^bits, linear initial centroids.

    Gong et al. 2014 is this and nothing more; Han et al. 2016 then train the centroids, of which it is a preview.
    """

    catalogue = ("QU-03", "QU-02")
    title = "K-means weight sharing"
    paper = "Gong, Liu, Yang, Bourdev 2014, section 3.2; Han, Mao, Dally, Deep Compression, ICLR 2016, section 3"
    mode = "instant"
    faithful = True

    bits: int = setting(
        4, "Width of a weight's index into the shared table, which holds 2^bits values.", unit="bits", low=1, high=8,
        step=1, axis="bits",
    )  # fmt: skip

    def apply(self, forms: Mapping[str, Form]) -> dict[str, Form]:
        return {
            name: replace(form, parts=tuple(self._shared(part.values) for part in form.parts))
            for name, form in forms.items()
        }

    def _shared(self, values: Floats) -> Part:
        alive = values != 0
        centroids = centroids_of(values[alive], 2**self.bits)
        edges = (centroids[1:].astype(np.float64) + centroids[:-1]) / 2
        codes = np.searchsorted(edges, values).astype(np.uint8)
        width = max(1, (len(centroids) - 1).bit_length())
        return Part.on_levels(Codebook(width, centroids), codes, ~alive)


def centroids_of(values: Floats, k: int) -> Floats:
    """At most k sorted centroids of `values`, a local optimum of the within-cluster sum of squares.

    Sorting once turns an assignment into a search for k − 1 edges, and prefix sums turn an update into k differences.
    """
    if values.size == 0:
        return np.zeros(1, np.float32)
    ordered = np.sort(values).astype(np.float64)
    distinct = np.unique(ordered)
    if len(distinct) <= k:
        return distinct.astype(np.float32)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    centroids = np.linspace(ordered[0], ordered[-1], k)
    borders = _borders(ordered, centroids)
    for _ in range(_ROUNDS):
        members = np.diff(borders)
        held = members > 0  # an empty cluster keeps its centroid: a later round may fill it
        centroids[held] = np.diff(total[borders])[held] / members[held]
        moved = _borders(ordered, centroids)
        if np.array_equal(moved, borders):
            break
        borders = moved
    return np.unique(centroids[np.diff(borders) > 0].astype(np.float32))


def _borders(ordered: NDArray[np.float64], centroids: NDArray[np.float64]) -> NDArray[np.int64]:
    inner = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2, side="right")
    return np.concatenate([[0], inner, [ordered.size]])
