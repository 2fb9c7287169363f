"""Pruning by the Taylor criterion: the feature maps whose loss changes least, to first order, when they go."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.evidence import Channel, Evidence, Floats
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.prune._emptied import Emptied, beside, clusters, emptied, uncoupled, without
from workbench.weights.form import Form


@dataclass(frozen=True)
class TaylorFilter(Calibrated):
    """Θ(z) = |(1/M) Σ_m ∂C/∂z_m · z_m| for each feature map, the mean over calibration images after the absolute value.

    Θ is divided by its ℓ2 norm over the layer; then round(share · n) of all n maps go, the lowest of the whole network
    first; one a layer at least stays. A unit of a linear layer is a map of one position. Maps that live and die
    together (see `prune.l1-filter`, which empties them alike) are ranked by the sum of theirs. With λ, a map's Θ is
    lowered by λ times the share of the network's multiply-accumulates that it takes. Maps that are gone already count
    among the share, whatever λ says. Molchanov et al. fine-tune after every few maps (`prune.retrained-taylor`), of
    which this is a preview: one cut, by the Θ of the network before it.
    """

    catalogue = ("PR-16",)
    title = "Taylor criterion"
    paper = "Molchanov, Tyree, Karras, Aila, Kautz, Pruning CNNs for resource efficient inference, ICLR 2017, section 2"
    faithful = False

    share: float = setting(
        0.0, "Share of the network's feature maps that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )
    operations: float = setting(
        0.0, "λ: how much a map's share of the operations counts against it.", low=0.0, high=100.0, step=0.5
    )

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return uncoupled(forms, evidence)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        ranked: list[tuple[float, int, Channel]] = []  # score, cluster
        competing = clusters(forms, evidence)
        ranking = {name for cluster in competing for name, _ in cluster[0].rows}
        scores = {name: self._scores(name, forms[name], evidence) for name in ranking}
        for number, cluster in enumerate(competing):
            for channel in cluster:
                score = sum(scores[name][row] for name, row in channel.rows)
                gone = not any(forms[name].parts[-1].alive[0][row] for name, row in channel.rows)
                ranked.append((-np.inf if gone else score, number, channel))
        ranked.sort(key=lambda entry: entry[0])  # stable: equal ones in the order of the network
        left = [len(cluster) for cluster in competing]
        going: list[Channel] = []
        for _, number, channel in ranked:
            if len(going) == round(self.share * len(ranked)):
                break
            if left[number] > 1:
                left[number] -= 1
                going.append(channel)
        return dict(emptied(going, forms, own))

    def _scores(self, name: str, form: Form, evidence: Evidence) -> Floats:
        """Of each output channel of a layer."""
        scores = evidence.importances(name)
        norm = float(np.linalg.norm(scores))
        scores = scores / norm if norm > 0 else scores
        share = evidence.macs(name) / max(evidence.macs(), 1)  # a network without a weight does nothing
        return scores - self.operations * share / form.shape[0]

    def compress(self, form: Form, decision: Hashable) -> Form:
        return without(form, cast(Emptied, decision))

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return beside(rest, decisions.values())
