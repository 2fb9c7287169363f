"""Batch norms measured again: their means and variances become those that the compressed network gives them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

from workbench.evidence import Evidence
from workbench.method import Calibrated, Tensors
from workbench.methods.recover._beside import Kept, kept, tensors
from workbench.weights.form import Form


@dataclass(frozen=True)
class BatchNorm(Calibrated):
    """μ and σ² of every batch norm behind the step's layers are taken anew on the calibration images, and no weight.

    What a batch norm was measured on is what the layers before it gave when they were trained. Where they are cut or
    rounded since, its inputs have another mean and another variance. They are measured in one pass, in which every
    batch norm goes by the batch itself, so that those behind it see inputs that are right; a mean over batches counts.
    """

    catalogue = ("TT-04",)
    title = "Batch norms measured again"
    paper = "Li, Wang, Shi, Liu, Hou, Adaptive batch normalization, arXiv 1603.04779, 2016; Sun et al. 2019"
    faithful = False  # of a catalogue's entry that trains

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return {name: "has no batch norm behind it" for name in forms if not evidence.normalisations(name)}

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return {name: kept(evidence.normalisations(name)) for name in forms}

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return {
            name: values.astype(rest[name].dtype)
            for decision in decisions.values()
            for name, values in tensors(cast(Kept, decision))
        }
