"""8-bit floating-point weights."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.floating_point import FloatingPoint as Format


@dataclass(frozen=True)
class FloatingPoint(Layerwise):
    """Every weight is cast to the nearest number of the format, halves to the even mantissa.

    (1, 5, 2) is Wang et al.'s FP8. They train with it, accumulating in chunks of 16-bit floating point; this casts the
    weights and is a preview.
    """

    catalogue = ("NP-06",)
    title = "8-bit floating point"
    paper = "Wang, Choi, Brand, Chen, Gopalakrishnan, Training deep neural networks with 8-bit floating point, 2018, 3"
    faithful = False

    format: Literal["1-2-5", "1-3-4", "1-4-3", "1-5-2", "1-6-1"] = setting(
        "1-5-2",
        "Bits of the sign, the exponent and the mantissa.",
        choices=("1-2-5", "1-3-4", "1-4-3", "1-5-2", "1-6-1"),
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        _, exponent, mantissa = (int(width) for width in self.format.split("-"))
        return form.with_parts([part.rounded(Format(exponent, mantissa)) for part in form.parts])
