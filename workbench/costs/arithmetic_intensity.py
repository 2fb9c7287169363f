"""Arithmetic intensity (catalogue ME-12): MACs done for each byte that crosses the memory's border.

The bytes are a lower bound, each value moved once (catalogue ME-11): what an image reads of a layer's stored weights,
and its bias, once; what each of its tensors reads and writes, once an image. A layer's input is as wide as it is
rounded to, everything else is float32.
Where it is low, memory decides how fast and how dear an inference is, not arithmetic (Williams, Waterman, Patterson
2009, "Roofline", CACM 52(4)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.costs import Cost
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel
    from workbench.network.geometry import Use

CATALOGUE = ("ME-12",)

_FLOAT = 4  # bytes


class ArithmeticIntensity(Cost):
    """Effective MACs of all layers over the bytes of all layers, and the same for each layer."""

    title, unit, less_is_better = "Arithmetic intensity", "MAC/byte", False
    column, place = "arithmetic_intensity", 40

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device | None = None, batch: int = 1) -> Figure:
        """batch: images that share one reading of the weights."""
        works = {}
        for layer, (_, plan) in zip(compressed.model.layers, compressed.plans.values(), strict=True):
            read = plan.nbytes * layer.share_read + compressed.model.bias_bytes[layer.name]
            works[layer.name] = _work(compressed.uses[layer.name], read, batch)
        macs, moved = (sum(side) for side in zip(*works.values(), strict=True))
        by_layer = {name: done / max(bytes_, 1) for name, (done, bytes_) in works.items()}
        return cls.figure(macs / max(moved, 1), by_layer=by_layer, note=f"Each value is moved once, at batch {batch}.")


def _work(work: tuple[Use, ...], read: float, batch: int) -> tuple[int, float]:
    """MACs of a layer and bytes that it moves, for a batch; read: of its weights and bias, once."""
    moved = sum([use.inputs * use.input_bits // 8 + use.outputs * _FLOAT for use in work])
    return batch * sum([use.effective_macs for use in work]), read + batch * moved
