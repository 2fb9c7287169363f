"""What criteria that rank channels share: which of the ranked go, and that they really leave the network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from workbench.evidence import Channel, Evidence, Floats
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.prune._emptied import (
    Emptied,
    beside,
    clusters,
    emptied,
    lowest,
    lowest_of_all,
    uncoupled,
    without,
)
from workbench.weights.form import Form


@dataclass(frozen=True)
class ChannelCriterion(Calibrated):
    """The output channels of lowest score go; in every layer at least one stays.

    Channels whose maps are added to each other, or pass a filter each, go together, ranked by the sum of their scores.
    With a map go its bias, its batch norm and the weights of the next layers that meet it, so that it is zero
    everywhere. Maps that are gone already are the first to go. The papers retrain after the cut, of which this is a
    preview.
    """

    faithful = False

    share: float = setting(
        0.0, "Share of the output channels that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )
    scope: Literal["layer", "network"] = setting(
        "layer",
        "Empty the same share of every layer's channels (layer), or rank those of all layers together (network), "
        "each layer's scores divided by their ℓ2 norm.",
        choices=("layer", "network"),
    )

    @abstractmethod
    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        """float64 [output channels] of that layer: the lower, the sooner one goes."""

    def price(self, layer: str, form: Form, evidence: Evidence) -> float:
        """What is taken off the normalised score of each of a layer's channels where all layers are ranked together."""
        return 0.0

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return uncoupled(forms, evidence)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        competing = clusters(forms, evidence)
        ranking = {name for cluster in competing for name, _ in cluster[0].rows}
        scores = {name: self._compared(name, forms[name], evidence) for name in sorted(ranking)}
        ranked = [[_score(channel, forms, scores) for channel in cluster] for cluster in competing]
        chosen = _lowest_of_each if self.scope == "layer" else lowest_of_all
        going: list[Channel] = [
            competing[number][place] for number, places in enumerate(chosen(ranked, self.share)) for place in places
        ]
        return dict(emptied(going, forms, own))

    def _compared(self, name: str, form: Form, evidence: Evidence) -> Floats:
        scores = self.scores(name, form, evidence)
        if self.scope == "layer":
            return scores
        norm = float(np.linalg.norm(scores))
        return (scores / norm if norm > 0 else scores) - self.price(name, form, evidence)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return without(form, cast(Emptied, decision))

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return beside(rest, decisions.values())


def _score(channel: Channel, forms: Mapping[str, Form], scores: Mapping[str, Floats]) -> float:
    """Of a channel of all its layers together; of one that is gone already less than of any other."""
    gone = not any(forms[name].parts[-1].alive[0][row] for name, row in channel.rows)
    return -np.inf if gone else float(sum(scores[name][row] for name, row in channel.rows))


def _lowest_of_each(ranked: list[list[float]], share: float) -> list[list[int]]:
    """Cluster -> places of its round(share · channels) lowest scores; equal ones in the order of the network."""
    return [lowest(scores, share) for scores in ranked]
