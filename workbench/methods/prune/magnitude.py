"""Magnitude pruning: the weights of smallest absolute value become zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.form import Form, Part
from workbench.method import Method, setting


@dataclass(frozen=True)
class Magnitude(Method):
    """Cut of exactly round(sparsity · n) weights, those of smallest |w|; ties go in storage order.

    Without the retraining that Han et al. 2015 ask for, the cut is a preview of their method (PR-01); on its own it is
    the magnitude baseline (PR-04).
    """

    catalogue = ("PR-04",)
    title = "Magnitude pruning"
    paper = "baseline of Han, Pool, Tran, Dally, Learning both Weights and Connections, NeurIPS 2015, section 3"
    mode = "instant"
    faithful = False

    sparsity: float = setting(
        0.0, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01, axis="sparsity"
    )
    scope: Literal["global", "layer"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )

    def apply(self, forms: Mapping[str, Form]) -> dict[str, Form]:
        parts = [part for form in forms.values() for part in form.parts]
        if self.scope == "layer":
            cuts = [_smallest(np.abs(part.values).ravel(), self.sparsity) for part in parts]
        else:
            together = np.concatenate([np.abs(part.values).ravel() for part in parts])
            edges = np.cumsum([part.values.size for part in parts])[:-1]
            cuts = np.split(_smallest(together, self.sparsity), edges)
        pruned = iter([_without(part, cut.reshape(part.shape)) for part, cut in zip(parts, cuts, strict=True)])
        return {name: replace(form, parts=tuple(next(pruned) for _ in form.parts)) for name, form in forms.items()}


def _smallest(magnitudes: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """True at the round(share · n) smallest entries."""
    count = round(share * magnitudes.size)
    if count == 0:
        return np.zeros(magnitudes.shape, bool)
    threshold = np.partition(magnitudes, count - 1)[count - 1]
    cut = magnitudes < threshold
    ties = np.flatnonzero(magnitudes == threshold)
    cut[ties[: count - np.count_nonzero(cut)]] = True
    return cut


def _without(part: Part, cut: NDArray[np.bool_]) -> Part:
    if part.levels is None or part.codes is None:
        return Part.of(np.where(cut, np.float32(0), part.values))
    return Part.on_levels(part.levels, part.codes, cut | (part.values == 0))
