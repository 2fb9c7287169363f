"""Bias correction: each output of a layer has the mean again that it had in the network as it came."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

from workbench.evidence import Evidence
from workbench.method import Calibrated, Tensors
from workbench.methods.recover._beside import Kept, kept, tensors
from workbench.weights.form import Form


@dataclass(frozen=True)
class BiasCorrection(Calibrated):
    """b ← b + E[y] − E[ỹ], y a layer's outputs in the network as it came, ỹ in the one before the step.

    Weights that are cut or rounded shift the means of what they sum, and the layers behind add such shifts up. The
    means are over calibration images and positions, ỹ behind layers that have been corrected already; all in one pass,
    a batch at a time. Outputs that are gone for good stay gone.
    """

    catalogue = ("TT-04",)
    title = "Bias correction"
    paper = "Nagel, van Baalen, Blankevoort, Welling, Data-free quantization, ICCV 2019, section 4.2, appendix D"
    faithful = False  # of a catalogue's entry that trains

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return {name: "has no bias" for name in forms if not evidence.shifts(name)}

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return {name: kept(evidence.shifts(name)) for name in forms}

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return {
            name: (rest[name] + shift).astype(rest[name].dtype)
            for decision in decisions.values()
            for name, shift in tensors(cast(Kept, decision))
        }
