"""K-means weight sharing: all surviving weights of a tensor share a table of 2^b values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.method import Layerwise, setting
from workbench.weights.arrays import Floats
from workbench.weights.form import Form
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part

_ROUNDS = 300
_ordered: Cache[Ordered] = Cache(ceiling=64 * 2**20)


@dataclass(frozen=True)
class KMeans(Layerwise):
    """One-dimensional k-means (Lloyd) over the non-zero weights of each tensor, k = 2^bits, linear initial centroids.

    Gong et al. 2014 is this and nothing more; Han et al. 2016 then train the centroids (`quantize.trained-centroids`).
    """

    catalogue = ("QU-03",)
    title = "K-means weight sharing"
    paper = "Gong, Liu, Yang, Bourdev 2014, section 3.2; Han, Mao, Dally, Deep Compression, ICLR 2016, section 3"
    faithful = True

    bits: int = setting(
        4, "Width of a weight's index into the shared table, which holds 2^bits values.", unit="bits", low=1, high=8,
        step=1, axis="bits",
    )  # fmt: skip

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts([part.rounded(self._table(part)) for part in form.parts])

    def _table(self, part: Part) -> Codebook:
        centroids = centroids_of(_ordered.get("ordered", lambda: order(part.values), part), 2**self.bits)
        return Codebook(max(1, (len(centroids) - 1).bit_length()), centroids)


@dataclass(frozen=True, eq=False)
class Ordered:
    """Non-zero weights in ascending order, and 0 with their running sums, both float64; and how many values differ."""

    weights: NDArray[np.float64]
    sums: NDArray[np.float64]
    distinct: int


def order(values: Floats) -> Ordered:
    ordered = np.sort(values[values != 0]).astype(np.float64)
    distinct = 1 + np.count_nonzero(np.diff(ordered)) if ordered.size else 0
    return Ordered(ordered, np.concatenate([[0.0], np.cumsum(ordered)]), int(distinct))


def centroids_of(of: Ordered, k: int) -> Floats:
    """At most k sorted centroids of the weights, a local optimum of the within-cluster squares.

    Sorting once turns an assignment into a search for k − 1 edges, and prefix sums turn an update into k differences.
    """
    if of.distinct == 0:
        return np.zeros(1, np.float32)
    ordered, total = of.weights, of.sums
    if of.distinct <= k:
        return np.unique(ordered).astype(np.float32)
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
