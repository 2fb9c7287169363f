"""Pruning by the scales of batch norm: a channel that is multiplied by next to nothing goes."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

from workbench.evidence import Evidence
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.prune._emptied import without
from workbench.methods.prune._scales import Taken, beside_taken, scaled, taken, unscaled
from workbench.weights.form import Form


@dataclass(frozen=True)
class BatchNormScale(Calibrated):
    """Of the channels behind batch norms those of smallest |γ| go, by one percentile over the whole network.

    Where γ is 0 a channel is the constant act(β), which the layers that multiply it take up in their biases or batch
    norms, so that nothing changes; behind a layer that puts zeros around its input that is exact up to its border,
    where it is said how much is missing. Where a layer can take up nothing the constant stays. Channels that pass
    several batch norms are ranked by the largest γ, and those that pass none stay. Liu et al. train for γ to become
    small (`prune.network-slimming`), of which this is a preview, or what is moved behind it.
    """

    catalogue = ("PR-15",)
    title = "Batch norm scales"
    paper = "Liu, Li, Shen, Huang, Yan, Zhang, Learning efficient convolutional networks through network slimming, 2017"
    faithful = False
    images = False

    share: float = setting(
        0.0, "Share of the channels behind batch norms that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return unscaled(forms, evidence)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return dict(taken(scaled(forms, evidence), self.share, forms, evidence, own))

    def compress(self, form: Form, decision: Hashable) -> Form:
        return without(form, cast(Taken, decision).emptied)

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return beside_taken(rest, [cast(Taken, decision) for decision in decisions.values()])

    def said(self, decision: Hashable) -> str | None:
        uneven = cast(Taken, decision).uneven
        if uneven < 1e-5:
            return None
        return (
            "What channels that went leave is added to its sums; it puts zeros around its input, so at the border of "
            f"its outputs that is off by up to {uneven:.2g}."
        )
