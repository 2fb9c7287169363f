"""Group sparse regularisation: one training that picks weights, neurons and input features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.evidence import Evidence
from workbench.method import setting
from workbench.methods.prune._group_lasso import GroupLasso, square_root
from workbench.methods.prune._groups import Groups, Held, of_biases, of_columns
from workbench.weights.form import Form


@dataclass(frozen=True)
class InputSelection(GroupLasso):
    """λ (Σ_g √|g| ‖g‖₂ + α ‖w‖₁): a group is all that one input of a layer is multiplied with.

    Of the first layer that is an input feature, which can then be left unread; of the others a neuron, by its outgoing
    weights. Each bias is a group of one.
    """

    catalogue = ("PR-12",)
    title = "Group sparse regularisation"
    paper = "Scardapane, Comminiello, Hussain, Uncini, Group sparse regularization, Neurocomputing 2017, section 3"

    single: float = setting(0.0, "α: how much single weights count beside groups.", low=0.0, high=10.0, step=0.1)

    def groups(self, forms: Mapping[str, Form], tensors: Mapping[str, Held], evidence: Evidence) -> list[Groups]:
        return [*of_columns(tensors, by_place=False), *of_biases(tensors)]

    def weight(self, groups: Groups) -> float:
        return square_root(groups)

    def alone(self) -> float:
        return self.single
