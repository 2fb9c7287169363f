"""Pruning by mutual information: the feature maps go whose response says least about the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Evidence, Floats
from workbench.method import setting
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class MutualInformation(ChannelCriterion):
    """Θ(z) = H(z) + H(y) − H(z, y), in nats: y the label, z the bin that the map's response to an image falls into.

    Responses are those of the activation criterion (`prune.activation`), in bins of equal width over what each map
    gives. Each entropy carries the bias correction of Miller and Madow, (bins in use − 1) / (2 · images), without which
    a map that says nothing would score above 0.
    """

    catalogue = ("PR-19",)
    title = "Mutual information with the label"
    paper = "Molchanov et al., Pruning CNNs for resource efficient inference, ICLR 2017, section 2.2"

    bins: int = setting(16, "How many bins a map's responses are sorted into.", low=2, high=64, step=1)

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        labels = evidence.labels()
        return np.array([information(column, labels, self.bins) for column in evidence.responses(layer).T])


def information(values: Floats, labels: NDArray[np.int64], bins: int) -> float:
    """What `values` (float64 [images]), sorted into so many bins, say about `labels` (int64 [images]), in nats."""
    low, high = values.min(), values.max()
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    places = np.minimum((scaled * bins).astype(np.int64), bins - 1)
    joint = np.zeros((bins, int(labels.max()) + 1), np.int64)
    np.add.at(joint, (places, labels), 1)
    return _entropy(joint.sum(1)) + _entropy(joint.sum(0)) - _entropy(joint.ravel())


def _entropy(counts: NDArray[np.int64]) -> float:
    total, used = counts.sum(), counts[counts > 0]
    shares = used / total
    return float(-(shares * np.log(shares)).sum() + (used.size - 1) / (2 * total))
