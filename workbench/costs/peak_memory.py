"""Memory that an inference takes at its peak (catalogue ME-20): planned, not measured.

The weights as they are stored, with every tensor beside them, for the whole time, and the largest sum of activations
that are in memory together, as float32, in the order in which the network runs its operations
(`workbench.network.liveness`). A layer of several factors makes an activation between each two of them. It is not the
file's size, and workspaces of kernels come on top.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from workbench.cache import Cache
from workbench.costs import Cost
from workbench.network.liveness import Moment
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel
    from workbench.network.geometry import Use
    from workbench.network.model import Model

CATALOGUE = ("ME-20",)

_FLOAT = 4  # bytes
_plain: Cache[tuple[int, int | None]] = Cache(ceiling=2**16)


class PeakMemory(Cost):
    """Stored weights and the activations of one image at the worst moment."""

    title, unit, words = "Peak memory", "bytes", ("smaller", "larger")
    place = 50
    parts: ClassVar = {"weights": "weights", "activations": "activations"}

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device | None = None) -> Figure:
        model = compressed.model
        weights = sum([plan.nbytes for _, plan in compressed.plans.values()])
        weights += sum([tensor.nbytes for tensor in model.rest.values()])
        weights += sum([table.data.size for tables in compressed.entering.values() for table in tables])
        activations, least = _plain.get("peak", partial(_peaks, model), model)
        if any(form.factored for form in compressed.stored.values()):
            activations, least = _chained(compressed), None
        note = "Planned for one image, in float32, without what kernels work in."
        if least is not None and least < activations:
            note += f" In another order of its operations the activations would take {least:,} bytes."
        return cls.figure(weights + activations, split={"weights": weights, "activations": activations}, note=note)


def _peaks(model: Model) -> tuple[int, int | None]:
    """Bytes of activations as the network runs, and in the best order that there is."""
    return model.activity.peak(), model.activity.least_peak()


def _chained(compressed: EncodedModel) -> int:
    """Bytes of activations where some layers are chains of factors."""
    work: dict[str, list[tuple[Use, ...]]] = {}
    for layer in compressed.model.layers:
        form = compressed.stored[layer.name]
        found, each = compressed.uses[layer.name], len(form.factors)
        work[layer.name] = [found[start : start + each] for start in range(0, len(found), each)]
    return compressed.model.activity.peak(partial(_within, work))


def _within(work: dict[str, list[tuple[Use, ...]]], moment: Moment) -> int:
    """Bytes while a chain runs: two neighbouring activations at a time, and the input as long as others need it."""
    calls = work.get(moment.operation.layer, [])
    if moment.operation.call >= len(calls) or len(calls[moment.operation.call]) < 2:
        return moment.live
    chain = calls[moment.operation.call]
    sums = [_FLOAT * (use.inputs + use.outputs) for use in chain]
    kept = 0 if moment.spent else moment.read
    sums[1:] = [kept + pair for pair in sums[1:]]
    return moment.held + max(sums)
