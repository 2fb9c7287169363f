"""What methods share that empty channels and let the weights that met them make up for it."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.evidence import Channel, Evidence, Floats
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.prune._emptied import beside, clusters, emptied
from workbench.methods.prune._meetings import (
    Meeting,
    Mixed,
    Replaced,
    gram,
    meetings,
    mixed,
    mixing,
    standing_in,
    unmet,
)
from workbench.weights.form import Form


@dataclass(frozen=True)
class Reconstruction(Calibrated):
    """Some channels go, as in `prune.l1-filter`; the columns of those that stay change so that the sums stay alike.

    What a layer is multiplied with is that of the network before the step, whatever becomes of the layers before it.
    """

    faithful = False

    share: float = setting(
        0.0, "Share of the output channels that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )

    @abstractmethod
    def chosen(
        self, competing: Sequence[Sequence[Channel]], forms: Mapping[str, Form], evidence: Evidence
    ) -> list[list[int]]:
        """Of each cluster the places of the channels that go; at least one stays."""

    def matrix(self, meeting: Meeting, form: Form, gone: Collection[int], evidence: Evidence) -> Floats:
        """[channels of the meeting, those of them that stay]: what the columns become, of those that there are.

        Those that stay remain as they are, and each that goes is the sum of them that stands in for it.
        """
        leaving, kept = sides(meeting, gone)
        matrix = np.zeros((len(meeting.channels), len(kept)))
        matrix[kept, range(len(kept))] = 1
        matrix[leaving] = standing_in(gram(meeting, form, evidence), leaving, kept)
        return matrix

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return unmet(forms, evidence)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        competing = clusters(forms, evidence)
        if self.share == 0 or not competing:
            return dict.fromkeys(forms)
        going: list[Channel] = []
        changes: dict[str, list[Mixed]] = defaultdict(list)
        for cluster, gone in zip(competing, self.chosen(competing, forms, evidence), strict=True):
            if any(layer in own for layer, _ in cluster[0].rows):
                continue
            going += [cluster[place] for place in gone]
            for meeting in meetings(cluster):
                if meeting.layer in forms and set(gone) & set(meeting.channels) and set(meeting.channels) - set(gone):
                    matrix = self.matrix(meeting, forms[meeting.layer], gone, evidence)
                    changes[meeting.layer] += mixing(meeting, gone, matrix)
        return {name: Replaced(what, tuple(changes[name])) for name, what in emptied(going, forms, own).items()}

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form if decision is None else mixed(form, cast(Replaced, decision))

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return beside(rest, [decision for decision in decisions.values() if decision is not None])


def sides(meeting: Meeting, gone: Collection[int]) -> tuple[list[int], list[int]]:
    """Places in the meeting of the channels that go, and of those that stay."""
    leaving = [place for place, channel in enumerate(meeting.channels) if channel in gone]
    return leaving, [place for place, channel in enumerate(meeting.channels) if channel not in gone]
