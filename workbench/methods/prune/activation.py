"""Pruning by the activation criterion: the feature maps that respond least, or least differently, go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.evidence import Evidence, Floats
from workbench.method import setting
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class Activation(ChannelCriterion):
    """Θ(z) = the mean over calibration images of a map's response, or its standard deviation.

    The response to an image is the mean over positions of max(z, 0), where z is the map behind the batch norm that it
    meets first. A map that never responds scores 0, and a network whose activations are ReLUs loses nothing with it.
    """

    catalogue = ("PR-18",)
    title = "Activation criterion"
    paper = "Molchanov et al., Pruning CNNs for resource efficient inference, ICLR 2017, section 2.2"

    measure: Literal["mean", "deviation"] = setting(
        "mean",
        "Rank by the mean of a map's responses, or by their standard deviation.",
        choices=("mean", "deviation"),
    )

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        responses = evidence.responses(layer)
        return responses.mean(0) if self.measure == "mean" else responses.std(0)
