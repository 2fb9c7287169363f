"""Pruning by the minimum-weight criterion: the filters of smallest mean square go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.evidence import Evidence, Floats
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class MinimumWeight(ChannelCriterion):
    """Θ(w) = (1/|w|) Σ w² for each filter w, |w| the number of its weights.

    Among filters of equal size the order is that of their ℓ2 norms; what the network is shown plays no part.
    """

    images = False
    catalogue = ("PR-17",)
    title = "Minimum weight"
    paper = "Molchanov et al., Pruning CNNs for resource efficient inference, ICLR 2017, section 2.2"

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        return np.square(form.compose().reshape(form.shape[0], -1), dtype=np.float64).mean(1)
