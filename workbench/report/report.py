"""The report: every figure of one compressed network beside the original's, with where each figure came from.

1 MAC = 1 multiply-accumulate = 2 FLOPs; 1 kB = 1,000 bytes. Figures are those of one inference at batch size 1. Plain
data: nothing here computes a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from workbench.report.figures import Figures, Latency, Metric
from workbench.report.table import table

CATALOGUE = ("ME-09",)

Kind = Literal["preview", "faithful"]


@dataclass(frozen=True)
class LayerRow:
    """One compressed layer.

    shape: of the uncompressed weight. weights, nonzeros: stored weights (of all factors), and those that are not zero.
    bits: width of a stored weight, the widest where factors differ. input_bits: of a number of the layer's input. rank:
    inner dimension, None without factors. break_even_rank: the largest rank at which factors hold no more weights than
    the layer, None for a layer that cannot be factored. costs: by the metrics' columns ("bytes" in the packed file,
    bias included, "macs", "energy" in joules per inference ...), which can be asked for as attributes, too. note: a
    sentence on this layer, or "". dense_latency, latency: of the layer as it came in torch, and on its packed kernel;
    None where not measured. latency_note: why the kernel brings nothing, or "".
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    nonzeros: int
    bits: int
    input_bits: int
    rank: int | None
    break_even_rank: int | None
    encoding: str
    costs: Mapping[str, float]
    note: str = ""
    dense_latency: Latency | None = None
    latency: Latency | None = None
    latency_note: str = ""

    def __getattr__(self, name: str) -> Any:
        costs = self.__dict__.get("costs", {})
        if name not in costs:
            raise AttributeError(f"a layer has no {name!r}; it has {', '.join(costs)}")
        return costs[name]

    def to_object(self) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key, value in asdict(self).items():
            content |= value if key == "costs" else {key: list(value) if key == "shape" else value}
        return content


@dataclass(frozen=True)
class Report:
    """Everything that is known of one compressed network.

    model, device: names. data: {"name", "split", "images", "digest"} of the images that accuracy was counted on, None
    without data. recipe: its JSON object with its "digest". input_shape: of the one input, without batch, that the
    costs are counted for. original: None where it is not at hand (the packed file of a user's own network). notes:
    sentences on the whole. kind: "preview" where weights were only cut or rounded, "faithful" where every method was
    applied as its paper asks.
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

    @property
    def columns(self) -> tuple[Metric, ...]:
        """The metrics that a layer has a figure of, in the order in which they are shown."""
        return tuple(figure.metric for figure in self.compressed.costs.values() if figure.metric.column)

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
        }

    def table(self) -> str:
        """The report as aligned text for a terminal: original | compressed | change | badge, then the layers."""
        return table(self)
