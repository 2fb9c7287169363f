"""Structured sparsity learning: training that lets whole filters, channels, filter shapes or layers go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from workbench.evidence import Evidence
from workbench.method import setting
from workbench.methods.prune._emptied import clusters
from workbench.methods.prune._group_lasso import GroupLasso
from workbench.methods.prune._groups import Groups, Held, of_branches, of_channels, of_columns
from workbench.weights.form import Form


@dataclass(frozen=True)
class StructuredSparsity(GroupLasso):
    """Groups, all of one weight: filters W[n], with their bias and batch norm; channels W[:, c]; shapes W[:, c, i, j].

    Filters whose maps are added to each other are one group. A filter that goes leaves a smaller network; channels and
    shapes that go leave a thinner matrix in a convolution by im2col. Depth: the whole last layer of a branch that is
    added to something else, with its bias and batch norm; where it goes, so does what only it read.
    """

    catalogue = ("PR-08",)
    title = "Structured sparsity learning"
    paper = "Wen, Wu, Wang, Chen, Li, Learning structured sparsity in deep neural networks, NeurIPS 2016, section 3"

    kind: Literal["filters", "channels", "shapes", "depth"] = setting(
        "filters",
        "What a group is: a filter, an input channel, one place of it, or a whole layer beside a shortcut.",
        choices=("filters", "channels", "shapes", "depth"),
    )

    def groups(self, forms: Mapping[str, Form], tensors: Mapping[str, Held], evidence: Evidence) -> list[Groups]:
        if self.kind == "filters":
            return of_channels(clusters(forms, evidence), forms, tensors)
        if self.kind == "depth":
            return of_branches(evidence.joints(), forms, tensors)
        return of_columns(tensors, by_place=self.kind == "shapes")
