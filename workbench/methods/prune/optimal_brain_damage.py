"""Optimal Brain Damage: the weights go whose loss would rise least, by how much it bends at each of them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Evidence, Floats, Layout
from workbench.method import Calibrated, setting
from workbench.weights.form import Form


@dataclass(frozen=True)
class OptimalBrainDamage(Calibrated):
    """Saliency s_k = ½ · h_kk · w_k²; exactly round(sparsity · n) weights of least saliency go, ties in storage order.

    h_kk is the second derivative of the loss by weight k, as Gauss and Newton have it, at the trained network: the cut
    is taken to be small, each weight to matter on its own, and the network to stand in a minimum. LeCun et al.
    therefore remove a few at a time, retrain and look again, of which this is a preview: where most of the weights go
    at once, their magnitude is the better guide. Weights that are gone already go first.
    """

    catalogue = ("PR-02",)
    title = "Optimal Brain Damage"
    paper = "LeCun, Denker, Solla, Optimal Brain Damage, NeurIPS 1989, section 2"
    faithful = False

    sparsity: float = setting(0.0, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01)
    scope: Literal["global", "layer"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if form.factored:
            return "is a product of matrices, at whose entries nobody knows how the loss bends"
        return layout.not_unrolled

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        if self.sparsity == 0 or not forms:
            return dict.fromkeys(forms)
        saliencies = {
            name: (0.5 * evidence.curvatures(name) * np.square(form.parts[0].values, dtype=np.float64)).ravel()
            for name, form in forms.items()
        }
        for name, form in forms.items():
            saliencies[name][form.parts[0].values.ravel() == 0] = -1.0
        if self.scope == "layer":
            gone = [_least(found, self.sparsity) for found in saliencies.values()]
        else:
            ends = np.cumsum([found.size for found in saliencies.values()])
            gone = np.split(_least(np.concatenate(list(saliencies.values())), self.sparsity), ends[:-1])
        return {name: np.packbits(mask).tobytes() for name, mask in zip(saliencies, gone, strict=True)}

    def compress(self, form: Form, decision: Hashable) -> Form:
        if decision is None:
            return form
        part = form.parts[0]
        gone = np.unpackbits(np.frombuffer(cast(bytes, decision), np.uint8), count=part.size).astype(bool)
        return form.with_parts([part.kept(~gone.reshape(part.shape))]) if gone.any() else form


def _least(saliencies: Floats, share: float) -> NDArray[np.bool_]:
    """Which of n are the round(share · n) least; equal ones in storage order."""
    gone = np.zeros(saliencies.size, bool)
    gone[np.argsort(saliencies, kind="stable")[: round(share * saliencies.size)]] = True
    return gone
