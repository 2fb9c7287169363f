"""The report: every figure of one compressed network beside the original's, with where each figure came from.

1 MAC = 1 multiply-accumulate = 2 FLOPs; 1 kB = 1,000 bytes. Figures are those of one inference at batch size 1. Plain
data: nothing here computes a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.names import printable
from workbench.report.beside import TensorRow, by_owner
from workbench.report.figures import Figures
from workbench.report.layers import LayerRow
from workbench.report.table import table

CATALOGUE = ("ME-09",)

Kind = Literal["preview", "faithful"]


@dataclass(frozen=True)
class Report:
    """Everything that is known of one compressed network.

    model, device: names. data: {"name", "split", "images", "digest"} of the images that accuracy was counted on, None
    without data. recipe: its JSON object with its "digest". input_shape: of the one input, without batch, that the
    costs are counted for. original: None where it is not at hand (the packed file of a user's own network). notes:
    sentences on the whole. kind: "preview" where weights were only cut or rounded, "faithful" where every method was
    applied as its paper asks. previews: titles of trained methods for which another stood in. trained_from: digest
    of the results that the others took, which means nothing elsewhere. shipped: titles of those whose result comes with
    the workbench. beside: every tensor that no layer holds.
    """

    model: str
    data: Mapping[str, Any] | None
    device: str
    recipe: Mapping[str, Any]
    original: Figures | None
    compressed: Figures
    layers: tuple[LayerRow, ...]
    notes: tuple[str, ...]
    kind: Kind
    input_shape: tuple[int, ...]
    previews: tuple[str, ...] = ()
    trained_from: str = ""
    shipped: tuple[str, ...] = ()
    beside: tuple[TensorRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The object that `workbench measure --json` prints: numbers, strings, lists and dicts only."""
        return {
            "model": self.model,
            "data": self.data and dict(self.data),
            "device": self.device,
            "recipe": dict(self.recipe),
            "input_shape": list(self.input_shape),
            "original": self.original and self.original.to_object(),
            "compressed": self.compressed.to_object(),
            "layers": [row.to_object() for row in self.layers],
            "notes": list(self.notes),
            "kind": self.kind,
            "previews": list(self.previews),
            "beside": [row.to_object() for row in self.beside],
        }

    def table(self) -> str:
        """The report as aligned text for a terminal: original | compressed | change | badge, then the layers."""
        size = " x ".join(str(n) for n in self.input_shape)
        images = f"{printable(self.data['name'])} {self.data['split']} images" if self.data else "no test images"
        head = (
            f"{printable(self.model)} on {images}, device {self.device}, "
            f"recipe {self.recipe['digest'][:12]} ({self.kind})\n"
            f"one inference = one input of {size}; 1 MAC = 2 FLOPs; 1 kB = 1,000 bytes"
        )
        return table(head, self.original, self.compressed, self.layers, by_owner(self.beside), self.notes)
