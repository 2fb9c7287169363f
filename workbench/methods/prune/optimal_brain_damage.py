"""Optimal Brain Damage: the weights go whose loss would rise least, by how much it bends at each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.evidence import Evidence, Floats
from workbench.methods.prune._weight_criterion import WeightCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class OptimalBrainDamage(WeightCriterion):
    """Saliency s_k = ½ · h_kk · w_k².

    h_kk is the second derivative of the loss by weight k, as Gauss and Newton have it, at the trained network: the cut
    is taken to be small, each weight to matter on its own, and the network to stand in a minimum. LeCun et al.
    therefore remove a few at a time, retrain and look again, of which this is a preview: where most of the weights go
    at once, their magnitude is the better guide.
    """

    catalogue = ("PR-02",)
    title = "Optimal Brain Damage"
    paper = "LeCun, Denker, Solla, Optimal Brain Damage, NeurIPS 1989, section 2"

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        return 0.5 * evidence.curvatures(layer) * np.square(form.parts[0].values, dtype=np.float64)
