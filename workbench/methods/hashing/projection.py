"""Weights that share values by a hash of their places: what is nearest to those that there are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.hashed import Hashed


@dataclass(frozen=True)
class Projection(Layerwise):
    """K = round(share · n) values a tensor, each the mean of ξ · w over its bucket: the projection of least error.

    Chen et al. train the shared values from the start (`hashing.hashed-nets`); a projection of weights that were
    trained without them is a poor preview of that.
    """

    catalogue = ("HA-01",)
    title = "HashedNets, projected"
    paper = "Chen, Wilson, Tyree, Weinberger, Chen, Compressing neural networks with the hashing trick, ICML 2015, 4"
    faithful = False

    share: float = setting(
        0.125, "Shared values for each weight of the layer.", unit="share", low=0.01, high=1.0, step=0.01
    )
    seed: int = setting(0, "Of the hashes.", low=0, high=2**31 - 1, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if form.weights else "holds no weight"

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts(
            [
                part.rounded(Hashed.fitted(part.values, max(1, round(self.share * part.size)), self.seed))
                for part in form.parts
            ]
        )
