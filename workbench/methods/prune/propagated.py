"""NISP: how much each unit matters to the answers, handed back from layer to layer through absolute weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from workbench.cache import Cache
from workbench.evidence import Evidence, Floats
from workbench.kernels.threads.blas import one_thread
from workbench.method import setting
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form

_LONGEST = 0.9  # of the length at which paths through the graph of features add up to no end
_ranked: Cache[Mapping[str, Floats]] = Cache(ceiling=2**22)


@dataclass(frozen=True)
class Propagated(ChannelCriterion):
    """s_k = |W_{k+1}|ᵀ · s_{k+1}, from scores of the final responses on; a map's score is the sum over its positions.

    Pooling and what else only moves activations hands scores on as it does gradients; batch norm by |γ| / σ. The final
    responses are what enters the last layer. Ranked, they score by infinite feature selection on calibration images
    (Inf-FS; Roffo, Melzi, Cristani, ICCV 2015), as in the paper. Uniform, every answer scores 1, which needs no image.
    """

    catalogue = ("PR-07",)
    title = "Neuron importance score propagation"
    paper = "Yu, Li, Chen, Lai, Morariu, Han, Gao, Lin, Davis, NISP, CVPR 2018, sections 3.2 and 3.3, equation 16"

    final: Literal["uniform", "ranked"] = setting(
        "uniform",
        "Begin with scores of 1 for every answer (uniform), or with the final responses ranked on images (ranked).",
        choices=("uniform", "ranked"),
    )
    spread: float = setting(
        0.5,
        "α: where responses are ranked, how much counts that they vary, against that others do not vary with them.",
        low=0.0,
        high=1.0,
        step=0.05,
    )

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        if self.final == "uniform":
            return evidence.propagated(layer)

        def rank() -> Mapping[str, Floats]:
            return {name: infinite(found, self.spread) for name, found in evidence.final_responses().items()}

        return evidence.propagated(layer, _ranked.get((evidence.digest, self.spread), rank))


def infinite(responses: Floats, spread: float) -> Floats:
    """float64 [features]: Σ_{l ≥ 1} (r A)^l · 1, the worth of all paths through each feature, of any length.

    a_ij = α max(σ_i, σ_j) + (1 − α) (1 − |ρ_ij|), r = 0.9 over A's spectral radius (Roffo et al. 2015, section 3).
    σ: standard deviations, brought to 0..1. ρ: Spearman's rank correlation; 1 where a feature never varies, which tells
    nothing of its own. responses: float64 [images, features]. spread: α. All score 1 where no path is worth anything.
    """
    deviations = responses.std(0)
    span = np.ptp(deviations)
    scaled = (deviations - deviations.min()) / span if span > 0 else np.zeros_like(deviations)
    ranks = rankdata(responses, axis=0)
    ranks -= ranks.mean(0)
    norms = np.linalg.norm(ranks, axis=0)
    ranks /= np.where(norms > 0, norms, 1)
    varies = np.outer(norms, norms) > 0
    with one_thread():
        alike = np.where(varies, np.abs(ranks.T @ ranks), 1.0)
        graph = spread * np.maximum.outer(scaled, scaled) + (1 - spread) * (1 - alike)
        radius = np.linalg.eigvalsh(graph)[-1]
        if radius < 1e-9:
            return np.ones_like(deviations)
        found: Floats = np.linalg.solve(np.eye(len(graph)) - _LONGEST / radius * graph, np.ones(len(graph))) - 1
    return found
