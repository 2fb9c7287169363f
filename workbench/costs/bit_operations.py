"""Bit operations of one inference (catalogue ME-05): effective MACs times the widths of their weight and input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.costs import Cost
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel
    from workbench.network.geometry import Use

CATALOGUE = ("ME-05",)

ACTIVATION_BITS = 32  # of the products of two activations, which are float32


class BitOperations(Cost):
    """The sum over the layers, and the products of two activations (attention) at 32 x 32 bits."""

    title, unit, words = "Bit operations", "bit operations", ("fewer", "more")
    under, place, json = "effective_macs", 22, ("value", "at_least")

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure:
        model = compressed.model
        found = {name: _bits(work) for name, work in compressed.uses.items()}
        value = sum(found.values()) + model.other_macs * ACTIVATION_BITS**2
        return cls.figure(value, by_layer=found, at_least=bool(model.uncounted))


def _bits(work: tuple[Use, ...]) -> int:
    return sum([use.effective_macs * use.part.bits * use.input_bits for use in work])
