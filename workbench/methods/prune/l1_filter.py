"""L1 filter pruning: the filters of smallest absolute sum go, with their feature maps and what meets these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.evidence import Evidence, Floats
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class L1Filter(ChannelCriterion):
    """s_j = Σ |F_j| for each filter F_j; Li et al. take the same share of every layer."""

    images = False
    catalogue = ("PR-13",)
    title = "L1 filter pruning"
    paper = "Li, Kadav, Durdanovic, Samet, Graf, Pruning filters for efficient ConvNets, ICLR 2017, section 3"

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        return np.abs(form.compose().reshape(form.shape[0], -1)).sum(1, dtype=np.float64)
