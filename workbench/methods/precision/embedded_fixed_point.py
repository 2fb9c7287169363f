"""Fixed point throughout inference, as embedded face finders had it: formats of weights, activations and sums."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from workbench.evidence import Evidence, Layout
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.precision._grids import fitting
from workbench.weights.form import Form
from workbench.weights.levels.fixed_point import FixedPoint as Levels


@dataclass(frozen=True)
class Formats:
    """Bits before the point, the sign included, of a layer's weights and of what enters it; width of its sums."""

    weights: int
    inputs: int
    sums: int


@dataclass(frozen=True)
class EmbeddedFixedPoint(Calibrated):
    """Each layer's weights and inputs have a power of two for a step, its bias the step of their products.

    So a layer is whole numbers, shifts and additions: Q formats are found on the weights and on calibration images, of
    which no weight and no input overflows. A sum of n products of b bits each needs 2 b + log2 n bits at most, which is
    said for each layer.
    """

    catalogue = ("NP-11",)
    title = "Fixed point throughout"
    paper = "Mamalet, Roux, Garcia, Real-time video convolutional face finder on embedded platforms, 2007, section 4"
    faithful = True

    bits: int = setting(8, "Width of a weight and of an input.", unit="bits", low=4, high=12, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return (
            "is a product of several layers, whose sums between have no format here"
            if form.factored
            else (layout.unroundable)
        )

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return {name: self._formats(form, evidence, name) for name, form in forms.items()}

    def _formats(self, form: Form, evidence: Evidence, name: str) -> Formats:
        inputs, weight = evidence.inputs(name), form.parts[0].values
        ends = torch.tensor([inputs.low, inputs.high], dtype=torch.float64)
        depth = max(math.prod(weight.shape[1:]), 1)
        sums = 2 * self.bits + math.ceil(math.log2(depth))
        return Formats(fitting(torch.from_numpy(weight), 0.0), fitting(ends, 0.0), sums)

    def compress(self, form: Form, decision: Hashable) -> Form:
        found = cast(Formats, decision)
        parts = [part.rounded(self._levels(found.weights)) for part in form.parts]
        return form.with_parts(parts).with_entering(self._levels(found.inputs))

    def _levels(self, integer: int) -> Levels:
        return Levels(integer, self.bits - integer)

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        """Biases at the step of their layer's products."""
        rounded = {}
        for name, decision in decisions.items():
            if f"{name}.bias" in rest:
                found = cast(Formats, decision)
                step = 2.0 ** (found.weights + found.inputs - 2 * self.bits)
                rounded[f"{name}.bias"] = (np.rint(rest[f"{name}.bias"] / step) * step).astype(np.float32)
        return rounded

    def said(self, decision: Hashable) -> str | None:
        found = cast(Formats, decision)
        ours = [f"Q{integer}.{self.bits - integer}" for integer in (found.weights, found.inputs)]
        whole = found.weights + found.inputs
        return (
            f"Weights are {ours[0]}, inputs {ours[1]}, sums Q{found.sums - 2 * self.bits + whole}."
            f"{2 * self.bits - whole}, the sign among the bits before the point: {found.sums} bits hold any sum."
        )
