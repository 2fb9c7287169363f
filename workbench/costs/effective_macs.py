"""Effective MACs of one inference: those whose weight is not exactly zero (catalogue ME-05). 1 MAC = 2 FLOPs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from workbench.costs import Cost
from workbench.network.geometry import Use, by_layer
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel

CATALOGUE = ("ME-05",)


class EffectiveMacs(Cost):
    """As dense MACs without the zeros. Products of two activations (attention) are counted dense."""

    title, unit, words = "Effective MACs", "MACs", ("fewer", "more")
    column, tile, place, json = "effective_macs", "Operations", 21, ()
    parts: ClassVar = {"value": "done", "rest": "skipped zeros"}

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure:
        model, found = compressed.model, by_layer(compressed, _effective)
        size = "×".join(str(n) for n in model.input_shape)
        return cls.figure(
            sum(found.values()) + model.other_macs,
            whole=sum(by_layer(compressed, _dense).values()) + model.other_macs,
            by_layer=found,
            at_least=bool(model.uncounted),
            says=("effective: zeros are skipped", f"For one input of {size}. 1 MAC = 2 FLOPs."),
        )


def _effective(work: tuple[Use, ...]) -> int:
    return sum([use.effective_macs for use in work])


def _dense(work: tuple[Use, ...]) -> int:
    return sum([use.macs for use in work])
