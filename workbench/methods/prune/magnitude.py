"""Magnitude pruning: the weights of smallest absolute value become zero."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from workbench.cache import Cache
from workbench.kernels.statistics.magnitudes import ascending, smallest_of_all
from workbench.method import Layerwise, setting
from workbench.weights.arrays import Floats
from workbench.weights.blank import blanks
from workbench.weights.form import Form
from workbench.weights.part import Cut

_ordered: Cache[Floats] = Cache(ceiling=256 * 2**20)


@dataclass(frozen=True)
class Magnitude(Layerwise):
    """Cut of exactly round(sparsity · n) weights, those of smallest |w|; ties go in storage order.

    A layer with a sparsity of its own has that share of zeros; the threshold for the others stays that of all n weights
    together, so the network as a whole no longer has the share that was asked for.
    Without the retraining that Han et al. 2015 ask for, the cut is a preview of their method (PR-01); on its own it is
    the magnitude baseline (PR-04).
    """

    catalogue = ("PR-04",)
    title = "Magnitude pruning"
    paper = "baseline of Han, Pool, Tran, Dally, Learning both Weights and Connections, NeurIPS 2015, section 3"
    faithful = False
    outlines = True

    sparsity: float = setting(
        0.0, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01, axis="sparsity"
    )
    scope: Literal["global", "layer"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )

    def settle(self, forms: Mapping[str, Form]) -> dict[str, Hashable]:
        parts = [part for form in forms.values() for part in form.parts]
        ordered = [_ordered.get("magnitudes", lambda part=part: ascending(part.values), part) for part in parts]  # type: ignore[misc]
        if self.scope == "layer":
            counts = [round(self.sparsity * part.size) for part in parts]
        else:
            counts = smallest_of_all(ordered, round(self.sparsity * sum(part.size for part in parts))).tolist()
        cuts = iter([_cut(magnitudes, count) for magnitudes, count in zip(ordered, counts, strict=True)])
        return {name: tuple(next(cuts) for _ in form.parts) for name, form in forms.items()}

    def compress(self, form: Form, decision: Hashable) -> Form:
        cuts = cast("tuple[Cut | None, ...]", decision)
        if not any(cuts):
            return form
        pairs = zip(form.parts, cuts, strict=True)
        return form.with_parts([part if cut is None else part.without(cut) for part, cut in pairs])

    def outline(self, form: Form) -> Form:
        """Which layers lose more than others would follow from the values, so each loses the same share."""
        return form.with_parts([part.thinned(round(self.sparsity * part.size)) for part in blanks(form)])


def _cut(magnitudes: Floats, count: int) -> Cut | None:
    """How the `count` smallest of ascending magnitudes are told from the others."""
    if count == 0:
        return None
    threshold = magnitudes[count - 1]
    if count == magnitudes.size or magnitudes[count] > threshold:
        return Cut(float(threshold))
    return Cut(float(threshold), count - int(np.searchsorted(magnitudes, threshold)))
