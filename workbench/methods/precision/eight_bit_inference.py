"""8-bit inference: weights and activations of a byte each, on uniform grids."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from workbench.evidence import Evidence, Layout
from workbench.method import METHODS, Calibrated, Layerwise, setting
from workbench.weights.form import Form


@dataclass(frozen=True)
class EightBitInference(Calibrated):
    """Signed bytes for weights, symmetric around zero, unsigned ones for what enters a layer; sums are whole numbers.

    A sum of n products of a byte each lies within n · 255 · 127, far inside 32 bits. Biases stay float32. Grids reach
    from the smallest to the largest number that calibration images show.
    """

    catalogue = ("NP-10",)
    title = "8-bit inference"
    paper = "Vanhoucke, Senior, Mao, Improving the speed of neural networks on CPUs, NIPS workshop 2011, section 3"
    faithful = True

    per: Literal["tensor", "channel"] = setting(
        "tensor",
        "Which weights share one scale: all of a layer, as the paper has it, or those of one output channel.",
        choices=("tensor", "channel"),
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def _activations(self) -> Calibrated:
        chosen = {"bits": 8, "range": "min-max", "ends": "included"}
        return cast(Calibrated, METHODS["quantize.activations"](**chosen))

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        """The range of each layer's input."""
        return self._activations().settle(forms, evidence, own)

    def compress(self, form: Form, decision: Hashable) -> Form:
        chosen = {"bits": 8, "per": self.per}
        rounded = cast(Layerwise, METHODS["quantize.uniform"](**chosen)).compress(form, None)
        return self._activations().compress(rounded, decision)
