"""Reduce and reuse: the channels that respond most alike to all images go, and the others stand in for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.evidence import Channel, Evidence
from workbench.methods.prune._emptied import lowest
from workbench.methods.prune._reconstruction import Reconstruction
from workbench.weights.form import Form


@dataclass(frozen=True)
class ReduceAndReuse(Reconstruction):
    """In every layer round(share · n) channels of least variance go; A = argmin E‖x_gone − A x_kept‖² recreates them.

    The variance is that of a channel's response over calibration images (`prune.activation`). A is folded into the
    weights that meet the channels next, so that no layer is added. Polyak and Wolf fine-tune after it, of which this is
    a preview.
    """

    catalogue = ("PR-06",)
    title = "Reduce and reuse"
    paper = "Polyak, Wolf, Channel-level acceleration of deep face representations, IEEE Access 2015, section III-B"

    def chosen(
        self, competing: Sequence[Sequence[Channel]], forms: Mapping[str, Form], evidence: Evidence
    ) -> list[list[int]]:
        variances = {
            name: evidence.responses(name).var(0)
            for name in {row for cluster in competing for row, _ in cluster[0].rows}
        }
        scores = [[sum(variances[name][row] for name, row in channel.rows) for channel in one] for one in competing]
        return [lowest(one, self.share) for one in scores]
