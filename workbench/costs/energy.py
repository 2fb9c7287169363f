"""Energy of one inference at batch size 1: a modelled range (catalogue ME-06, ME-11), never a measurement.

A device with prices per component (M. Horowitz, "Computing's energy problem", ISSCC 2014) pays for three things.

* Arithmetic. A MAC is one multiplication, in proportion to weight width x activation width, and one addition at the
  accumulator's width; activations and accumulators are 32 bits wide. Zero weights are skipped where the device says so.
* On chip. A tensor works out of the smallest SRAM that holds its stored bytes, its inputs and its outputs, or out of
  the largest. Movement costs in proportion to the bits moved, an encoding's indices, codebooks and scales among them.
* DRAM. Every stored byte of weights and biases is read once per inference. Inputs and outputs of a tensor cross it only
  where the two together are larger than the largest SRAM.

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
from typing import TYPE_CHECKING

from workbench.geometry import Use, uses
from workbench.report import Energy

if TYPE_CHECKING:
    from workbench.compressed import CompressedModel
    from workbench.device import Components, Device, Gains
    from workbench.encoding import Encoding
    from workbench.form import Form, Part
    from workbench.model import Layer, Model

ACTIVATION_BITS = 32  # activations and accumulators are float32
BETWEEN_LAYERS = "(between layers)"  # products of two activations (attention), which no layer owns
_NAMES = ("arithmetic", "on_chip", "dram")


def model(compressed: CompressedModel, device: Device) -> Energy:
    """Energy per inference of a compressed network on `device`, in joules. Given the empty recipe, the original's."""
    if device.components is None:
        return _per_mac(compressed, device)
    return _per_component(compressed, device, device.components)


def _note(compressed: CompressedModel, device: Device) -> str:
    if not compressed.model.uncounted:
        return device.note
    return f"{device.note} At least this much: {', '.join(compressed.model.uncounted)} could not be counted."


def _per_mac(compressed: CompressedModel, device: Device) -> Energy:
    network, price = compressed.model, device.joules_per_mac
    macs = {layer.name: sum(use.macs for use in uses(layer, compressed.stored[layer.name])) for layer in network.layers}
    if network.other_macs:
        macs[BETWEEN_LAYERS] = network.other_macs
    total = sum(macs.values())
    return Energy(
        low=total * price.low,
        value=total * price.value,
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


@dataclass(frozen=True)
class _Bills:
    arithmetic: _Bill = _Bill()
    on_chip: _Bill = _Bill()
    dram: _Bill = _Bill()

    @property
    def total(self) -> _Bill:
        return self.arithmetic + self.on_chip + self.dram


def _sum(bills: Iterable[_Bill]) -> _Bill:
    return sum(bills, _Bill())


def _per_component(compressed: CompressedModel, device: Device, prices: Components) -> Energy:
    network = compressed.model
    work = {layer.name: uses(layer, compressed.stored[layer.name]) for layer in network.layers}
    moved = {
        layer.name: _moved(device.gains, compressed.stored[layer.name], compressed.encodings[layer.name])
        for layer in network.layers
    }
    biases = {layer.name: _bias_bits(network, layer) for layer in network.layers}
    stored = sum(sum(moved[name].values()) + biases[name] for name in moved) / 8
    busiest = max(_activation_bytes(use) for found in work.values() for use in found)
    resident = stored + busiest <= prices.sram[-1].capacity
    bills = {
        name: _layer(found, moved[name], biases[name], device.gains, prices, resident) for name, found in work.items()
    }
    if network.other_macs:
        bills[BETWEEN_LAYERS] = _between_layers(network.other_macs, prices)
    total = _sum(one.total for one in bills.values())
    return Energy(
        low=total.low,
        value=total.value,
        high=total.high,
        split={name: _sum(getattr(one, name) for one in bills.values()).value for name in _NAMES},
        note=_note(compressed, device),
        by_layer={name: one.total.value for name, one in bills.items()},
    )


def _moved(gains: Gains, form: Form, encoding: Encoding) -> dict[Part, float]:
    """Bits that bring each tensor's weights to the arithmetic once.

    They are the stored ones where the device gains from the tensor's width and its zeros, and else the dense tensor at
    the width it is computed with. The two factors of a product share the encoding's bytes by weights x width.
    """
    dense = {part: part.values.size * part.bits for part in form.parts}
    total = sum(dense.values()) or 1  # a product of rank 0 holds no weights
    stored = 8 * sum(one.data.nbytes for one in encoding.arrays())
    return {
        part: stored * dense[part] / total
        if gains.zeros and gains.width(part.bits) == part.bits
        else part.values.size * gains.width(part.bits)
        for part in form.parts
    }


def _bias_bits(network: Model, layer: Layer) -> int:
    """Modules that share a weight have a bias each."""
    found = (network.rest.get(f"{name}.bias") for name in (layer.name, *layer.aliases))
    return 8 * sum(bias.nbytes for bias in found if bias is not None)


def _activation_bytes(use: Use) -> int:
    return (use.inputs + use.outputs) * ACTIVATION_BITS // 8


def _layer(
    work: tuple[Use, ...], moved: dict[Part, float], bias_bits: int, gains: Gains, prices: Components, resident: bool
) -> _Bills:
    weights = sum(moved.values()) + bias_bits
    too_large = sum(8 * _activation_bytes(use) for use in work if _activation_bytes(use) > prices.sram[-1].capacity)
    return _Bills(
        arithmetic=_sum(_arithmetic(_macs(use, gains), gains.width(use.part.bits), prices) for use in work),
        on_chip=_sum(_on_chip(use, _macs(use, gains), moved[use.part], prices) for use in work),
        dram=_Bill(
            low=((0 if resident else weights) + too_large) * prices.dram.low,
            value=(weights + too_large) * prices.dram.value,
            high=(weights + too_large) * prices.dram.high,
        ),
    )


def _macs(use: Use, gains: Gains) -> int:
    return use.effective_macs if gains.zeros else use.macs


def _arithmetic(macs: int, width: int, prices: Components) -> _Bill:
    share = width * ACTIVATION_BITS / (32 * 32)
    fixed = macs * (prices.multiply["int32"].value * share + prices.add["int32"].value)
    floating = macs * (prices.multiply["float32"].value * share + prices.add["float32"].value)
    return _Bill(min(fixed, floating), floating, floating)


def _on_chip(use: Use, macs: int, weight_bits: float, prices: Components) -> _Bill:
    per_bit = prices.memory(weight_bits / 8 + _activation_bytes(use)).access.value
    written = use.outputs * ACTIVATION_BITS
    once = (weight_bits + min(use.inputs, macs) * ACTIVATION_BITS + written) * per_bit
    reads = weight_bits * use.positions + macs * ACTIVATION_BITS + written
    direct = reads * per_bit
    return _Bill(once, min(direct, once + reads * prices.sram[0].access.value), direct)


def _between_layers(macs: int, prices: Components) -> _Bills:
    """Products of two activations, of shapes unknown: operands in registers, the buffer or the largest SRAM."""
    reads = 2 * macs * ACTIVATION_BITS
    on_chip = _Bill(0.0, reads * prices.sram[0].access.value, reads * prices.sram[-1].access.value)
    return _Bills(arithmetic=_arithmetic(macs, ACTIVATION_BITS, prices), on_chip=on_chip)
