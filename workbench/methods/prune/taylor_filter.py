"""Pruning by the Taylor criterion: the feature maps whose loss changes least, to first order, when they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.evidence import Evidence, Floats
from workbench.method import setting
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class TaylorFilter(ChannelCriterion):
    """Θ(z) = |(1/M) Σ_m ∂C/∂z_m · z_m| for each feature map, the mean over calibration images after the absolute value.

    Θ is divided by its ℓ2 norm over the layer, and the lowest of the whole network go first. A unit of a linear layer
    is a map of one position. With λ, a map's Θ is lowered by λ times the share of the network's multiply-accumulates
    that it takes. Molchanov et al. fine-tune after every few maps (`prune.retrained-taylor`), of which this is a
    preview: one cut, by the Θ of the network before it.
    """

    catalogue = ("PR-16",)
    title = "Taylor criterion"
    paper = "Molchanov, Tyree, Karras, Aila, Kautz, Pruning CNNs for resource efficient inference, ICLR 2017, section 2"

    scope: Literal["layer", "network"] = setting(
        "network",
        "Empty the same share of every layer's channels (layer), or rank those of all layers together (network).",
        choices=("layer", "network"),
    )
    operations: float = setting(
        0.0,
        "λ: how much a map's share of the operations counts against it, where all layers are ranked together.",
        low=0.0,
        high=100.0,
        step=0.5,
    )

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        return evidence.importances(layer)

    def price(self, layer: str, form: Form, evidence: Evidence) -> float:
        share = evidence.macs(layer) / max(evidence.macs(), 1)  # a network without a weight does nothing
        return self.operations * share / form.shape[0]
