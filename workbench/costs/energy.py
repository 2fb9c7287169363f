"""Energy of one inference at batch size 1: a modelled range (catalogue ME-06, ME-11), never a measurement.

A device with prices per component (M. Horowitz, "Computing's energy problem", ISSCC 2014) pays for three things.

* Arithmetic. A MAC is one multiplication, in proportion to weight width x activation width, and one addition at the
  accumulator's width; accumulators are 32 bits wide, and so are activations that are not rounded. Zero weights are
  skipped where the device says so. A weight of k signed powers of two costs k shifts in proportion to the activation's
  width, and k − 1 additions, in the multiplication's place. Of one bit on both sides a product is an XNOR, a
  multiplication of 1 x 1 bits, and is counted by an integer addition.
* On chip. A tensor works out of the smallest SRAM that holds its stored bytes, its inputs and its outputs, or out of
  the largest. Movement costs in proportion to the bits moved, an encoding's indices, codebooks and scales among them.
* DRAM. Every stored byte of weights and biases is read once per inference, of tensors that no layer holds, too; of a
  table (an embedding), the rows that one input looks up. Inputs and outputs of a tensor cross it only where the two
  together are larger than the largest SRAM.

Batch norm, pooling and activation functions are not priced. The three figures are three machines that differ in what
they reuse. In all of them the sums stay in the accumulators until they are written (output stationary in the taxonomy
of Sze, Chen, Yang, Emer 2017, arXiv 1703.09039, section V).

* low, everything is reused: the tensor's SRAM gives out each stored weight and each activation once per call of the
  layer; arithmetic is fixed-point; the weights stay on chip between inferences if they fit the largest SRAM together
  with the largest activations, and otherwise come from the cheapest DRAM.
* value, tiles are reused: as `low`, but what that SRAM gives out goes to a buffer as large as the smallest SRAM, from
  which each MAC reads its activation and each output position the layer's stored weights (without the buffer where that
  is cheaper); arithmetic is floating-point; the weights come from DRAM, at the middle of its price, for each inference.
* high, nothing is reused: these reads go to the tensor's SRAM itself, and DRAM is at the top of its price.

A device that was only measured as a whole pays its joules per MAC for every dense MAC (of both factors, where a layer
has two): low, value and high are the cheapest, the first and the dearest network in its file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from workbench.cache import Cache
from workbench.costs import Cost
from workbench.network.geometry import Use, uses
from workbench.report.figures import Figure

if TYPE_CHECKING:
    from workbench.devices.device import Components, Device, Gains
    from workbench.network.encoded import EncodedModel
    from workbench.network.layer import Layer
    from workbench.network.model import Model
    from workbench.weights.form import Form
    from workbench.weights.levels import Levels
    from workbench.weights.part import Part

CATALOGUE = {"ME-06": "", "QU-15": "shifts, and XNOR with counting, in the place of multiplications"}

ACTIVATION_BITS = 32  # accumulators, and activations that are not rounded, are float32
BETWEEN_LAYERS = "(between layers)"  # products of two activations (attention), which no layer owns
BESIDE_LAYERS = "(beside the layers)"  # tensors that no layer owns: of recurrent modules, of 1-D convolutions, tables
_NAMES = ("arithmetic", "on_chip", "dram")
_beside: Cache[int] = Cache(ceiling=2**20)


class Energy(Cost):
    """Joules per inference on a device.

    split: "arithmetic", "on_chip" and "dram", or "device" alone where only the whole board was ever measured. by_layer:
    what each layer adds to the value, with the work that no layer owns under `BETWEEN_LAYERS`, and the
    tensors that none owns under `BESIDE_LAYERS`.
    """

    title, unit, by_device = "Energy", "J", True
    column, tile, place = "energy", "Energy", 30
    how = (
        "Operations and bits moved, each times its published price. The range is that of three machines: all data are "
        "used again, tiles of them are, none are (dataflows after Sze et al. 2017, arXiv 1703.09039)."
    )
    parts: ClassVar = {
        "arithmetic": "arithmetic",
        "on_chip": "on-chip memory",
        "dram": "DRAM",
        "device": "whole device",
    }
    json = ("low", "value", "high", "split", "badge", "note")

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure:
        if device.components is None:
            return _per_mac(compressed, device)
        return _per_component(compressed, device, device.components)


def _note(compressed: EncodedModel, device: Device) -> str:
    if not compressed.model.uncounted:
        return device.note
    return f"{device.note} At least this much: {', '.join(compressed.model.uncounted)} could not be counted."


def _per_mac(compressed: EncodedModel, device: Device) -> Figure:
    network, price = compressed.model, device.joules_per_mac
    macs = {name: sum([use.macs for use in work]) for name, work in compressed.uses.items()}
    if network.other_macs:
        macs[BETWEEN_LAYERS] = network.other_macs
    total = sum(macs.values())
    return Energy.figure(
        total * price.value,
        low=total * price.low,
        high=total * price.high,
        split={"device": total * price.value},
        note=_note(compressed, device),
        by_layer={name: count * price.value for name, count in macs.items()},
    )


@dataclass(frozen=True)
class _Bill:
    """Joules of the three machines (low, value, high) for one kind of cost."""

    low: float = 0.0
    value: float = 0.0
    high: float = 0.0

    def __add__(self, other: _Bill) -> _Bill:
        return _Bill(self.low + other.low, self.value + other.value, self.high + other.high)


def _sum(bills: Iterable[_Bill]) -> _Bill:
    return sum(bills, _Bill())


@dataclass(frozen=True)
class _Work:
    """What one layer costs but for DRAM, and what it asks of that: bits of its weights and bias, of its activations.

    stored: bits of all its weights, of which an inference need not read every one, and of its bias. busiest: bytes of
    the largest inputs and outputs of one of its tensors.
    """

    arithmetic: _Bill
    on_chip: _Bill
    weights: float
    stored: float
    activations: float
    busiest: int


def _per_component(compressed: EncodedModel, device: Device, prices: Components) -> Figure:
    network = compressed.model
    works = {
        layer.name: _work(
            layer, compressed.stored[layer.name], plan.nbytes, 8 * network.bias_bytes[layer.name], device, prices
        )
        for layer, (_, plan) in zip(network.layers, compressed.plans.values(), strict=True)
    }
    beside = _beside.get("bits", lambda: _bits_beside(network), network)
    stored = (sum([one.stored for one in works.values()]) + beside) / 8
    resident = stored + max([one.busiest for one in works.values()]) <= prices.sram[-1].capacity
    bills = {name: (one.arithmetic, one.on_chip, _dram(one, resident, prices)) for name, one in works.items()}
    if network.other_macs:
        bills[BETWEEN_LAYERS] = (*_between_layers(network.other_macs, prices), _Bill())
    if beside:
        bills[BESIDE_LAYERS] = (_Bill(), _Bill(), _from_dram(beside, resident, prices))
    by_layer = {name: sum([one.value for one in kinds]) for name, kinds in bills.items()}
    return Energy.figure(
        sum(by_layer.values()),
        low=sum([sum([one.low for one in kinds]) for kinds in bills.values()]),
        high=sum([sum([one.high for one in kinds]) for kinds in bills.values()]),
        split={name: sum([kinds[place].value for kinds in bills.values()]) for place, name in enumerate(_NAMES)},
        note=_note(compressed, device),
        by_layer=by_layer,
    )


def _work(layer: Layer, form: Form, stored: int, bias_bits: int, device: Device, prices: Components) -> _Work:
    """stored: bytes of the layer's encoding."""

    def priced() -> _Work:
        gains, work = device.gains, uses(layer, form)
        whole = _moved(gains, form, 8 * stored)
        moved = {part: bits * layer.share_read for part, bits in whole.items()}
        macs = [use.effective_macs if gains.zeros else use.macs for use in work]
        sizes = [_activation_bytes(use) for use in work]
        pairs = list(zip(work, macs, strict=True))
        return _Work(
            arithmetic=_sum(
                [
                    _arithmetic(count, gains.width(use.part.bits), gains.width(use.input_bits), prices, use.part.levels)
                    for use, count in pairs
                ]
            ),
            on_chip=_sum([_on_chip(use, count, moved[use.part], prices) for use, count in pairs]),
            weights=sum(moved.values()) + bias_bits,
            stored=sum(whole.values()) + bias_bits,
            activations=sum([8 * size for size in sizes if size > prices.sram[-1].capacity]),
            busiest=max(sizes),
        )

    return form.once(("energy", device, layer.calls, layer.share_read, stored, bias_bits), priced)


def _dram(work: _Work, resident: bool, prices: Components) -> _Bill:
    return _from_dram(work.weights, resident, prices) + _from_dram(work.activations, False, prices)


def _from_dram(bits: float, resident: bool, prices: Components) -> _Bill:
    """resident: whether at best they stay on chip between inferences."""
    return _Bill(0.0 if resident else bits * prices.dram.low, bits * prices.dram.value, bits * prices.dram.high)


def _moved(gains: Gains, form: Form, stored: int) -> dict[Part, float]:
    """Bits that bring each tensor's weights to the arithmetic once.

    They are the stored ones where the device gains from the tensor's width and its zeros, and else the dense tensor at
    the width it is computed with. The two factors of a product share the encoding's bytes by weights x width.
    """
    dense = {part: part.size * part.bits for part in form.parts}
    total = sum(dense.values()) or 1  # a product of rank 0 holds no weights
    return {
        part: stored * dense[part] / total
        if gains.zeros and gains.width(part.bits) == part.bits
        else part.size * gains.width(part.bits)
        for part in form.parts
    }


def _bits_beside(network: Model) -> int:
    """Of tensors that an inference reads and no layer owns; batch norm is not priced."""
    owned = {f"{name}.bias" for layer in network.layers for name in (layer.name, *layer.aliases)}
    read = (
        size for name, size in network.reads.items() if network.rest_part[name] != "batch_norm" and name not in owned
    )
    return 8 * sum(read)


def _activation_bytes(use: Use) -> int:
    return (use.inputs * use.input_bits + use.outputs * ACTIVATION_BITS) // 8


def _arithmetic(macs: int, width: int, input_width: int, prices: Components, levels: Levels | None = None) -> _Bill:
    share = width * input_width / (32 * 32)
    multiply = {kind: prices.multiply[kind].value * share for kind in ("int32", "float32")}
    additions = 1.0
    if prices.shift is not None and levels is not None and levels.shifts_per_weight is not None:
        multiply = dict.fromkeys(multiply, levels.shifts_per_weight * prices.shift.value * input_width / 32)
        additions = max(levels.shifts_per_weight, 1.0)
    fixed, floating = (macs * (multiply[kind] + additions * prices.add[kind].value) for kind in ("int32", "float32"))
    if width == input_width == 1:
        floating = fixed
    return _Bill(min(fixed, floating), floating, floating)


def _on_chip(use: Use, macs: int, weight_bits: float, prices: Components) -> _Bill:
    per_bit = prices.memory(weight_bits / 8 + _activation_bytes(use)).access.value
    written = use.outputs * ACTIVATION_BITS
    once = (weight_bits + min(use.inputs, macs) * use.input_bits + written) * per_bit
    reads = weight_bits * use.positions + macs * use.input_bits + written
    direct = reads * per_bit
    return _Bill(once, min(direct, once + reads * prices.sram[0].access.value), direct)


def _between_layers(macs: int, prices: Components) -> tuple[_Bill, _Bill]:
    """Products of two activations, of shapes unknown: operands in registers, the buffer or the largest SRAM."""
    reads = 2 * macs * ACTIVATION_BITS
    on_chip = _Bill(0.0, reads * prices.sram[0].access.value, reads * prices.sram[-1].access.value)
    return _arithmetic(macs, ACTIVATION_BITS, ACTIVATION_BITS, prices), on_chip
