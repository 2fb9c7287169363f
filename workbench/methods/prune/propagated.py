"""NISP: how much each unit matters to the answers, handed back from layer to layer through absolute weights."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.evidence import Evidence, Floats
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class Propagated(ChannelCriterion):
    """s_k = |W_{k+1}|ᵀ · s_{k+1}, from scores of 1 for every answer on; a map's score is the sum over its positions.

    Pooling and what else only moves activations hands scores on as it does gradients; batch norm by |γ| / σ. The paper
    ranks the units of the last layer but one on images first (Inf-FS); here the answers are all alike, which needs no
    image.
    """

    images = False
    catalogue = ("PR-07",)
    title = "Neuron importance score propagation"
    paper = "Yu, Li, Chen, Lai, Morariu, Han, Gao, Lin, Davis, NISP, CVPR 2018, section 3.3, equation 16"

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        return evidence.propagated(layer)
