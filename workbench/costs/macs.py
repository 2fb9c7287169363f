"""Dense MACs of one inference (catalogue ME-05).

1 MAC = 1 multiply-accumulate = 2 FLOPs. Of the network as it now stands, so a factored layer counts its factors, and a
product with zero padding counts. Biases, batch norm, pooling and activation functions are no MACs and are not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.costs import Cost
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel

CATALOGUE = ("ME-05",)


class Macs(Cost):
    """The sum over the layers and the products of two activations (attention), which no layer owns."""

    title, unit, words = "MACs", "MACs", ("fewer", "more")
    column, place, axis, json = "macs", 20, False, ()

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure:
        model = compressed.model
        found = {name: sum([use.macs for use in work]) for name, work in compressed.uses.items()}
        value = sum(found.values()) + model.other_macs
        return cls.figure(value, by_layer=found, at_least=bool(model.uncounted))
