"""Effective MACs of one inference: those whose weight is not exactly zero (catalogue ME-05). 1 MAC = 2 FLOPs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from workbench.costs import Cost
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel

CATALOGUE = ("ME-05",)


class EffectiveMacs(Cost):
    """As dense MACs without the zeros. Products of two activations (attention) are counted dense."""

    title, unit, words = "Effective MACs", "MACs", ("fewer", "more")
    column, tile, place, json = "effective_macs", "Operations", 21, ()
    how = "Each weight that is not zero, times the positions at which it is used, in one inference."
    parts: ClassVar = {"value": "done", "rest": "skipped zeros"}

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure:
        model = compressed.model
        found = {name: sum([use.effective_macs for use in work]) for name, work in compressed.uses.items()}
        size = "×".join(str(n) for n in model.input_shape)
        return cls.figure(
            sum(found.values()) + model.other_macs,
            whole=sum([use.macs for work in compressed.uses.values() for use in work]) + model.other_macs,
            by_layer=found,
            at_least=bool(model.uncounted),
            says=("effective: zeros are skipped", f"For one input of {size}. 1 MAC = 2 FLOPs."),
        )
