"""L1 filter pruning: the filters of smallest absolute sum go, with their feature maps and what meets these."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.evidence import Channel, Evidence
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.prune._emptied import Emptied, beside, clusters, emptied, uncoupled, without
from workbench.weights.form import Form


@dataclass(frozen=True)
class L1Filter(Calibrated):
    """s_j = Σ |F_j| for each filter; in every layer round(share · n) of the smallest go, at least one stays.

    Filters whose maps are added to each other, or pass a depthwise filter each, go together, ranked by the sum of their
    s. With a map go its bias, its batch norm and the weights of the next layers that meet it, so that it is zero
    everywhere. Li et al. retrain after that, of which this is a preview.
    """

    images = False
    catalogue = ("PR-13",)
    title = "L1 filter pruning"
    paper = "Li, Kadav, Durdanovic, Samet, Graf, Pruning filters for efficient ConvNets, ICLR 2017, section 3"
    faithful = False

    share: float = setting(
        0.0, "Share of each layer's output channels that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return uncoupled(forms, evidence)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        sums = {name: np.abs(form.compose().reshape(form.shape[0], -1)).sum(1) for name, form in forms.items()}
        going: list[Channel] = []
        for cluster in clusters(forms, evidence):
            scores = np.array([sum(sums[name][row] for name, row in channel.rows) for channel in cluster])
            count = min(round(self.share * len(cluster)), len(cluster) - 1)
            going += [cluster[place] for place in np.argsort(scores, kind="stable")[:count]]
        return dict(emptied(going, forms, own))

    def compress(self, form: Form, decision: Hashable) -> Form:
        return without(form, cast(Emptied, decision))

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return beside(rest, decisions.values())
