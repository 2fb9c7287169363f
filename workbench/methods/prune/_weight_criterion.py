"""What criteria that rank single weights on evidence share: which of the ranked go."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Evidence, Floats, Layout
from workbench.method import Calibrated, setting
from workbench.methods.prune._gone import Gone, least, least_of_each
from workbench.weights.form import Form

Masks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class WeightCriterion(Calibrated):
    """Exactly round(sparsity · n) weights of lowest score go, ties in storage order; those that are gone already first.

    The papers retrain after the cut, of which this is a preview.
    """

    faithful = False

    sparsity: float = setting(0.0, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01)
    scope: Literal["global", "layer", "output"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )

    @abstractmethod
    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        """float64, of the shape of that layer's weight, 0 or more: the lower, the sooner one goes."""

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if form.factored:
            return "is a product of matrices, and what is known of the layer is nothing of their entries"
        return layout.not_unrolled

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        if self.sparsity == 0 or not forms:
            return dict.fromkeys(forms)
        scores = {
            name: np.where(form.parts[0].values == 0, -1.0, self.scores(name, form, evidence))
            for name, form in forms.items()
        }
        return {name: Gone.of(mask) for name, mask in self._going(scores).items()}

    def _going(self, scores: Mapping[str, Floats]) -> Masks:
        if self.scope != "global":
            chosen = least if self.scope == "layer" else least_of_each
            return {name: chosen(found, self.sparsity) for name, found in scores.items()}
        together = least(np.concatenate([found.ravel() for found in scores.values()]), self.sparsity)
        pieces = np.split(together, np.cumsum([found.size for found in scores.values()])[:-1])
        return {name: piece.reshape(found.shape) for piece, (name, found) in zip(pieces, scores.items(), strict=True)}

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form if decision is None else cast(Gone, decision).left_of(form)
