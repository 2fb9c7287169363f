"""Early exits: images of which a side branch is sure enough take no further layers."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.evidence import Evidence, Layout
from workbench.method import Calibrated, Tensors, setting
from workbench.weights.form import Form


@dataclass(frozen=True)
class EarlyExit(Calibrated):
    """An image leaves at an exit where the entropy −Σ y log y of its softmax y is below T; at T = 0 none does.

    The network's exits were trained with it, on the sum of their losses, and T is chosen afterwards, while it runs. An
    exit may have a T of its own, as the setting of the layer that gives its scores. Operations, energy and latencies of
    layers are those of an image that goes all the way; the report's mean is that of the test images.
    """

    images = False
    catalogue = ("CC-01",)
    title = "Early exits"
    paper = "Teerapittayanon, McDanel, Kung, BranchyNet, ICPR 2016, section III"
    faithful = True

    threshold: float = setting(
        0.1,
        "T: entropy below which an image leaves at an exit; ten classes have 2.303 at most.",
        unit="nats",
        low=0.0,
        high=float(np.log(10)),
        step=0.001,
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return None if layout.exit else "gives no scores of a side exit"

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return {name: (evidence.thresholds()[name], self.threshold) for name in forms}

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        chosen = (cast("tuple[str, float]", decision) for decision in decisions.values())
        return {tensor: np.full((), threshold, np.float32) for tensor, threshold in chosen}
