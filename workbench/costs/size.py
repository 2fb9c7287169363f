"""Bytes of the packed file, by layer and by part (catalogue ME-04), without writing it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from workbench.cache import Cache
from workbench.exporters.packed import overhead
from workbench.report.report import Size

if TYPE_CHECKING:
    from workbench.network.encoded import EncodedModel
    from workbench.network.model import Model

CATALOGUE = ("ME-04",)

PARTS = ("codes", "indices", "codebooks", "scales", "biases", "batch_norm", "other", "header")
_beside: Cache[tuple[tuple[str, str, int], ...]] = Cache(ceiling=2**22)


def measure(compressed: EncodedModel) -> Size:
    """Exact bytes of the file that `save` writes. A tensor beside the weights counts under the module that it is in."""
    by_layer: dict[str, int] = {}
    by_part = dict.fromkeys(PARTS, 0)
    for name, (_, plan) in compressed.plans.items():
        by_layer[name] = plan.nbytes
        for _, part, size in plan.arrays:
            by_part[part] += size
        for table in compressed.entering.get(name, ()):
            by_layer[name] += table.data.size
            by_part[table.part] += table.data.size
    for owner, part, size in _beside.get("rest", partial(_rest, compressed.model), compressed.model):
        by_layer[owner] = by_layer.get(owner, 0) + size
        by_part[part] += size
    by_part["header"] = overhead(compressed)
    by_layer["header"] = by_layer.get("header", 0) + by_part["header"]  # a layer may be called so
    return Size(sum(by_part.values()), by_layer, by_part)


def _rest(model: Model) -> tuple[tuple[str, str, int], ...]:
    """Module, part and bytes of each tensor beside the layers' weights."""
    return tuple(
        (name.rpartition(".")[0] or name, model.rest_part[name], tensor.nbytes) for name, tensor in model.rest.items()
    )
