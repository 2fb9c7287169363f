"""Shorter mantissas: the exponent of float32, fewer bits behind it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch

from workbench.method import Layerwise, setting
from workbench.methods.precision._grids import Floating
from workbench.weights.form import Form


@dataclass(frozen=True)
class Mantissa(Layerwise):
    """Every weight at the nearest number with so many bits of mantissa and 8 of exponent, halves to the even mantissa.

    15 bits are the 24-bit floating point of `precision.floating-24`, of which this is a preview. A file holds what is
    wider than 16 bits as float32, so the weights take no less room.
    """

    catalogue = ("NP-07",)
    title = "Shorter mantissas"
    paper = "Iwata, Yoshida, Matsuda, Sato, Suzumura, An artificial neural network accelerator using DSPs, IJCNN 1989"
    faithful = False

    mantissa: int = setting(15, "Bits of the mantissa, of float32's 23.", unit="bits", low=1, high=23, step=1)

    def compress(self, form: Form, decision: Hashable) -> Form:
        grid = Floating(8, self.mantissa)
        rounded = [grid.rounded(torch.from_numpy(part.values).double()).float().numpy() for part in form.parts]
        return form.with_values(rounded)
