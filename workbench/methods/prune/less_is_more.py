"""Less is more: training by forward-backward splitting, in which whole neurons go and layers come near a low rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.evidence import Evidence
from workbench.method import setting
from workbench.methods.prune._emptied import clusters
from workbench.methods.prune._group_lasso import GroupLasso
from workbench.methods.prune._groups import Groups, Held, of_channels
from workbench.weights.form import Form

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class LessIsMore(GroupLasso):
    """A gradient step on the loss, then the proximal step of λ Σ_n ‖w_n‖₂ + μ Σ_l ‖W_l‖_*, w_n all that a neuron has.

    The nuclear norm ‖W‖_* is the sum of the singular values of a layer's weights as a matrix of one neuron a row; each
    is lowered by η μ, down to 0. Then neurons are shrunk as groups. Convolutions are unfolded along their outputs only,
    where the paper's tensor norm is a mean over all unfoldings. What has become of low rank is stored so by a step that
    factorises after this one.
    """

    catalogue = ("PR-09",)
    title = "Less is more"
    paper = "Zhou, Alvarez, Porikli, Less is more: towards compact CNNs, ECCV 2016, section 3"

    low_rank: float = setting(
        0.0, "μ: how much the sums of singular values count beside the loss.", low=0.0, high=1.0, step=0.001
    )

    def groups(self, forms: Mapping[str, Form], tensors: Mapping[str, Held], evidence: Evidence) -> list[Groups]:
        return of_channels(clusters(forms, evidence), forms, tensors)

    def shrink(self, module: nn.Module, groups: list[Groups], rate: float) -> None:
        """Singular values first, so that neurons that are zero are exactly so."""
        if self.low_rank:
            tensors = (module.get_parameter(piece.tensor) for one in groups for piece in one.pieces)
            for tensor in {id(tensor): tensor for tensor in tensors if tensor.ndim > 1}.values():
                lower_singular_values(tensor, rate * self.low_rank)
        super().shrink(module, groups, rate)


def lower_singular_values(weight: Tensor, amount: float) -> None:
    """W ← U max(0, Σ − amount) Vᵀ in place, of a weight [out, ...] as a matrix of one output a row.

    By the eigenvectors of the smaller Gram matrix, in float64: what rounding does to squares of singular values only
    touches those that are next to nothing, which become 0 anyway.
    """
    import torch

    with torch.no_grad():
        matrix = weight.reshape(len(weight), -1).double()
        tall = matrix.shape[0] > matrix.shape[1]
        squares, vectors = torch.linalg.eigh(matrix.T @ matrix if tall else matrix @ matrix.T)
        values = squares.clamp(min=0).sqrt()
        shares = (1 - amount / values.clamp(min=1e-30)).clamp(min=0)
        projection = (vectors * shares) @ vectors.T
        weight.copy_((matrix @ projection if tall else projection @ matrix).reshape(weight.shape))
