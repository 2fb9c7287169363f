"""K-means on a line, with a weight for each number or none, and the settings of those who weigh it by curvature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Evidence, Layout
from workbench.method import setting
from workbench.weights.arrays import Floats
from workbench.weights.form import Form

CATALOGUE = {"QU-06": "sqrt of Adam's second moments in the place of the curvature"}

Weighting = Literal["curvature", "second-moments", "none"]
_ROUNDS = 300


@dataclass(frozen=True, eq=False)
class Ordered:
    """Non-zero numbers in ascending order, float64.

    sums: 0 with the running sums of h · w. masses: 0 with those of h, None where every h is 1. distinct: how many
    numbers differ.
    """

    weights: NDArray[np.float64]
    sums: NDArray[np.float64]
    masses: NDArray[np.float64] | None
    distinct: int


def order(values: Floats, h: NDArray[np.float64] | None = None) -> Ordered:
    """h: 0 or more for each of `values`, 1 for all by default."""
    alive = values != 0
    chosen = values[alive]
    if h is None:
        ordered = np.sort(chosen).astype(np.float64)
        sums, masses = _running(ordered), None
    else:
        places = np.argsort(chosen, kind="stable")
        ordered, mass = chosen[places].astype(np.float64), h[alive][places]
        sums, masses = _running(ordered * mass), _running(mass)
    distinct = 1 + np.count_nonzero(np.diff(ordered)) if ordered.size else 0
    return Ordered(ordered, sums, masses, int(distinct))


def _running(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(numbers)])


def centroids_of(of: Ordered, k: int) -> Floats:
    """At most k sorted centroids, a local optimum of Σ h · (w − c)², from linear ones on.

    Sorting once turns an assignment into a search for k − 1 edges, and running sums turn an update into k differences.
    A cluster without any h keeps its centroid, as one without members does: a later round may fill it.
    """
    if of.distinct == 0:
        return np.zeros(1, np.float32)
    ordered, total = of.weights, of.sums
    if of.distinct <= k:
        return np.unique(ordered).astype(np.float32)
    centroids = np.linspace(ordered[0], ordered[-1], k)
    borders = _borders(ordered, centroids)
    for _ in range(_ROUNDS):
        masses = np.diff(borders) if of.masses is None else np.diff(of.masses[borders])
        held = masses > 0
        centroids[held] = np.diff(total[borders])[held] / masses[held]
        moved = _borders(ordered, centroids)
        if np.array_equal(moved, borders):
            break
        borders = moved
    return np.unique(centroids[np.diff(borders) > 0].astype(np.float32))


def _borders(ordered: NDArray[np.float64], centroids: NDArray[np.float64]) -> NDArray[np.int64]:
    inner = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2, side="right")
    return np.concatenate([[0], inner, [ordered.size]])


def weighting_setting(default: Weighting) -> Any:
    """A method's field that says what the squared error of a weight is multiplied by."""
    return setting(
        default,
        "What the squared error of each weight counts by: how much the loss bends there (Gauss and Newton), the square "
        "root of its mean squared gradient as Adam keeps it, or alike for all (none).",
        choices=("curvature", "second-moments", "none"),
    )


def weighted(
    weighting: Weighting, forms: Iterable[str], evidence: Evidence
) -> Mapping[str, NDArray[np.float64] | None]:
    """Layer -> what the squared error of each of its weights counts by; None for alike."""
    if weighting == "none":
        return dict.fromkeys(forms)
    if weighting == "curvature":
        return {name: evidence.curvatures(name) for name in forms}
    return {name: np.sqrt(evidence.second_moments(name)) for name in forms}


def unweighted(form: Form, layout: Layout) -> str | None:
    """Why nothing is known of a layer's single weights, as the end of a sentence."""
    if form.factored:
        return "is a product of matrices, and what is known of the layer is nothing of their entries"
    return layout.not_unrolled
