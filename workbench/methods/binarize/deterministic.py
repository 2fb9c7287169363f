"""Deterministic binarisation: weights by their sign."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.method import Layerwise
from workbench.methods.binarize._two_values import Height, height_of, height_setting, on_two_values, positive
from workbench.weights.form import Form


@dataclass(frozen=True)
class Deterministic(Layerwise):
    """w becomes +H where w ≥ 0 and −H below, with one H for all weights of a tensor. Zeros, which were cut, stay."""

    catalogue = ("BT-01",)
    title = "Deterministic binarisation"
    paper = "Courbariaux, Bengio, David, BinaryConnect, NeurIPS 2015, section 2.2, equation 1"
    faithful = True

    height: Height = height_setting()  # noqa: RUF009 (a field, like `setting`)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_parts(
            [on_two_values(part, positive(part.values), height_of(part.values, self.height)) for part in form.parts]
        )
