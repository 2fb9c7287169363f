"""ThiNet: the channels go without which the next layer's sums change least, and the others are scaled to make up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.evidence import Channel, Evidence, Floats
from workbench.methods.prune._meetings import Meeting, contributions, meetings, ridged
from workbench.methods.prune._reconstruction import Reconstruction, sides
from workbench.weights.form import Form


@dataclass(frozen=True)
class ThiNet(Reconstruction):
    """T, the channels that go, grows by the one for which E(Σ_{j∈T} x̂_j)² is least; then ŵ = argmin E(ŷ − Σ w_j x̂_j)².

    x̂_j is what channel j adds to an output ŷ of the next layer, ŵ what each channel that stays is multiplied with. The
    expectation is over all outputs, positions and calibration images, where the paper draws some of them. In every
    layer round(share · n) channels go. Luo et al. go from layer to layer and fine-tune after each, of which this is a
    preview.
    """

    catalogue = ("PR-14",)
    title = "ThiNet"
    paper = "Luo, Wu, Lin, ThiNet, ICCV 2017, section 3.2, equations 6 and 7, algorithm 1"

    def chosen(
        self, competing: Sequence[Sequence[Channel]], forms: Mapping[str, Form], evidence: Evidence
    ) -> list[list[int]]:
        return [self._of(cluster, forms, evidence) for cluster in competing]

    def _of(self, cluster: Sequence[Channel], forms: Mapping[str, Form], evidence: Evidence) -> list[int]:
        total = np.zeros((len(cluster), len(cluster)))
        for meeting in meetings(cluster):
            if meeting.layer in forms:
                places = np.ix_(meeting.channels, meeting.channels)
                total[places] += contributions(meeting, forms[meeting.layer], evidence)
        return greedy(total, min(round(self.share * len(cluster)), len(cluster) - 1))

    def matrix(self, meeting: Meeting, form: Form, gone: Collection[int], evidence: Evidence) -> Floats:
        squares = contributions(meeting, form, evidence)
        _, kept = sides(meeting, gone)
        scales = np.linalg.solve(ridged(squares[np.ix_(kept, kept)]), squares[kept].sum(1))
        matrix = np.zeros((len(squares), len(kept)))
        matrix[kept, range(len(kept))] = scales
        return matrix


def greedy(squares: Floats, count: int) -> list[int]:
    """T of `count` places, of which 1ᵀ squares[T, T] 1 is small: it grows by the one that raises it least."""
    gone: list[int] = []
    raised = np.diag(squares).copy()
    for _ in range(count):
        place = int(np.argmin(raised))
        gone.append(place)
        raised = raised + 2 * squares[place]
        raised[gone] = np.inf
    return gone
