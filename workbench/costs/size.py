"""Bytes of the packed file, by layer and by part (catalogue ME-04), without writing it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from workbench.cache import Cache
from workbench.costs import Cost
from workbench.exporters.packed import beside, overhead
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel
    from workbench.network.model import Model

CATALOGUE = ("ME-04",)

_beside: Cache[tuple[tuple[str, str, int], ...]] = Cache(ceiling=2**22)


class Size(Cost):
    """Exact bytes of the file that `save` writes.

    by_layer: layer -> its bytes, bias included; other modules' tensors stand under their module's name, the file's own
    under "header". Both that and the split sum to the value.
    """

    title, unit, badge, words = "Size", "bytes", "on disk", ("smaller", "larger")
    column, tile, place = "bytes", "Size", 10
    json = ("value", "by_layer", "by_part", "badge")
    how = "The length of the file that Export writes, counted part by part before it is written."
    parts: ClassVar = {
        "codes": "weights", "indices": "indices", "codebooks": "codebooks", "scales": "scales", "biases": "biases",
        "batch_norm": "batch norm", "other": "other", "header": "header",
    }  # fmt: skip

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device | None = None) -> Figure:
        by_layer: dict[str, int] = {}
        by_part = dict.fromkeys(cls.parts, 0)
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
        found = cls.figure(sum(by_part.values()), split=by_part, by_layer=by_layer)
        return replace(found, badge="modelled") if compressed.model.blank else found  # there is nothing to write


def _rest(model: Model) -> tuple[tuple[str, str, int], ...]:
    """Module, part and bytes of each tensor beside the layers' weights."""
    return tuple(
        (name.rpartition(".")[0] or name, model.rest_part.get(name, "other"), tensor.nbytes)
        for name, tensor in beside(model).items()
    )
