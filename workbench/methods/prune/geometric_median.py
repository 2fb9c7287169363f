"""FPGM: the filters that lie nearest to all the others go, since these can stand in for them."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.spatial.distance import cdist

from workbench.evidence import Evidence, Floats
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.weights.form import Form


@dataclass(frozen=True)
class GeometricMedian(ChannelCriterion):
    """s_j = Σ_i ‖F_i − F_j‖₂ over the filters of the layer: small where F_j lies near their geometric median.

    The filter of smallest s is the one of the layer nearest to the median (equation 6 of the paper). A filter need not
    be small to go; one that others repeat goes before a small one that stands alone.
    """

    images = False
    catalogue = ("PR-21",)
    title = "Geometric median of filters"
    paper = "He, Liu, Wang, Hu, Yang, Filter pruning via geometric median, CVPR 2019, section 3.3"

    def scores(self, layer: str, form: Form, evidence: Evidence) -> Floats:
        filters = form.compose().reshape(form.shape[0], -1)
        return cdist(filters, filters).sum(1)
