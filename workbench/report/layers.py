"""What a report says of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.report.figures import Latency


@dataclass(frozen=True)
class RunsDense:
    """Of a layer that torch multiplies, decoded, since its kernel is slower on this machine.

    times: how many times as long as dense torch the kernel takes. macs: that dense torch does in one inference, those
    with zeros, too. intensity: of these for each byte.
    """

    times: float
    macs: int
    intensity: float


@dataclass(frozen=True)
class LayerRow:
    """One compressed layer.

    shape: of the uncompressed weight. weights, nonzeros: stored weights (of all factors), and those that are not zero.
    bits: width of a stored weight, the widest where factors differ. input_bits: of a number of the layer's input. rank:
    inner dimension, None without factors. break_even_rank: the largest rank at which factors hold no more weights than
    the layer, None for a layer that cannot be factored. costs: by the metrics' columns ("bytes" in the packed file,
    bias included, "macs", "energy" in joules per inference ...), which can be asked for as attributes, too. note: a
    sentence on this layer, or "". dense_latency, latency: of the layer as it came in torch, and as it runs compressed;
    None where not measured. latency_note: why the kernel brings nothing, or "". runs_dense: where none is used.
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
    runs_dense: RunsDense | None = None

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
