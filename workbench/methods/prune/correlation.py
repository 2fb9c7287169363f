"""Pruning by neural correlation: the weights stay that join what goes together from image to image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.evidence import Evidence, Floats
from workbench.method import setting
from workbench.methods.prune._weight_criterion import WeightCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class Correlation(WeightCriterion):
    """A weight's score is |r|, r the correlation over calibration images of the two numbers that it joins.

    These are what it multiplies and the sum that this goes into, before any activation function; of a weight that is
    used at many positions |r| is a mean over them. How large the weight is plays no part. The strongest stay, the same
    share of each output's, as Sun et al. choose for each neuron; they draw some of the weaker ones, too. They sparsify
    layer after layer and train in between (`prune.retrained-correlation`), of which this is a preview.
    """

    catalogue = ("PR-23",)
    title = "Neural correlation"
    paper = "Sun, Wang, Tang, Sparsifying neural network connections for face recognition, CVPR 2016, section 3"

    scope: Literal["global", "layer", "output"] = setting(
        "output",
        "Rank weights across the whole network (global), or give every layer (layer) or every output of each layer "
        "(output) the same share of zeros.",
        choices=("global", "layer", "output"),
    )

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        return evidence.correlations(layer)
