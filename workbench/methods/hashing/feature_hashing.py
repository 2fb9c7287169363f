"""Feature hashing: the inputs of a layer fall into a few buckets, in which they are added up with random signs."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from workbench.evidence import Layout
from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.hashed_inputs import HashedInputs


@dataclass(frozen=True)
class FeatureHashing(Layerwise):
    """A layer multiplies φ(x) with φ(w), not x with w, where φ_k(x) = Σ ξ(i) x_i over the inputs i of bucket k.

    On average over the hashes that is the same product, with a variance of about ‖x‖² ‖w‖² / buckets (lemma 2), so for
    weights that were trained without them it is a poor stand-in. Inputs are those that a row of the weight is
    multiplied with: of a convolution, the numbers of a window. Of several factors the first one meets the inputs.
    """

    catalogue = ("HA-02",)
    title = "Feature hashing"
    paper = "Weinberger, Dasgupta, Langford, Smola, Attenberg, Feature hashing, ICML 2009, definition 1 and lemma 2"
    faithful = True

    share: float = setting(0.5, "Buckets for each input of the layer.", unit="share", low=0.01, high=1.0, step=0.01)
    seed: int = setting(0, "Of the hashes.", low=0, high=2**31 - 1, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.not_unrolled if form.weights else "holds no weight"

    def compress(self, form: Form, decision: Hashable) -> Form:
        first, *others = form.parts
        buckets = max(1, round(self.share * math.prod(first.shape[1:])))
        return form.with_parts([first.rounded(HashedInputs.of(first.values, buckets, self.seed)), *others])
