"""Learning the number of neurons: training that starts too wide and lets whole neurons go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.evidence import Evidence
from workbench.method import setting
from workbench.methods.prune._emptied import clusters
from workbench.methods.prune._group_lasso import GroupLasso, square_root
from workbench.methods.prune._groups import Groups, Held, of_channels
from workbench.weights.form import Form


@dataclass(frozen=True)
class NeuronCount(GroupLasso):
    """λ ((1 − α) Σ_l √P_l Σ_n ‖θ_n‖₂ + α ‖θ‖₁): θ_n a neuron's weights, bias and batch norm, P_l how many they are.

    With α above 0 it is the sparse group lasso of the paper's section 3.2: weights are thresholded first, then groups.
    """

    catalogue = ("PR-10",)
    title = "Learning the number of neurons"
    paper = "Alvarez, Salzmann, Learning the number of neurons in deep networks, NeurIPS 2016, section 3"

    single: float = setting(
        0.0, "α: which share of λ goes to single weights.", unit="share", low=0.0, high=1.0, step=0.05
    )

    def groups(self, forms: Mapping[str, Form], tensors: Mapping[str, Held], evidence: Evidence) -> list[Groups]:
        return of_channels(clusters(forms, evidence), forms, tensors)

    def weight(self, groups: Groups) -> float:
        return (1 - self.single) * square_root(groups)

    def alone(self) -> float:
        return self.single
