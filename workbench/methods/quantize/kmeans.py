"""K-means weight sharing: all surviving weights of a tensor share a table of 2^b values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.cache import Cache
from workbench.method import Layerwise, setting
from workbench.methods.quantize._clusters import Ordered, centroids_of, order
from workbench.weights.form import Form
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part

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
