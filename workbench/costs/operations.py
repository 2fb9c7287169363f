"""Operations of one inference: dense MACs, effective MACs, bit operations (catalogue ME-05).

1 MAC = 1 multiply-accumulate = 2 FLOPs. Dense: of the network as it now stands, so a factored layer counts its two
factors, and a product with zero padding counts. Effective: the same without the weights that are exactly zero. Bit
operations: each effective MAC times the widths of its weight and its activation. Biases, batch norm, pooling and
activation functions are no MACs and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.network.geometry import uses
from workbench.report.report import BitOperations

if TYPE_CHECKING:
    from workbench.network.encoded import EncodedModel
    from workbench.network.model import Layer
    from workbench.weights.form import Form

CATALOGUE = ("ME-05",)

ACTIVATION_BITS = 32  # of the products of two activations, which are float32


@dataclass(frozen=True)
class LayerOperations:
    """Operations of one layer over all its calls in one inference."""

    macs: int
    effective_macs: int
    bit_operations: int


@dataclass(frozen=True)
class Operations:
    """Operations of one inference at batch size 1.

    The totals are the sums over `by_layer` plus the products of two activations (attention), which no layer owns: those
    are dense, at 32 x 32 bits. at_least: some operator could not be counted, so that every total is a lower bound.
    """

    macs: int
    effective_macs: int
    bit_operations: BitOperations
    by_layer: Mapping[str, LayerOperations]

    @property
    def at_least(self) -> bool:
        return self.bit_operations.at_least


def count(compressed: EncodedModel) -> Operations:
    """Operations of a compressed network, in total and per layer. Given the empty recipe, they are the original's."""
    model = compressed.model
    by_layer = {layer.name: _of_layer(layer, compressed.stored[layer.name]) for layer in model.layers}
    bits = sum(one.bit_operations for one in by_layer.values()) + model.other_macs * ACTIVATION_BITS**2
    return Operations(
        macs=sum(one.macs for one in by_layer.values()) + model.other_macs,
        effective_macs=sum(one.effective_macs for one in by_layer.values()) + model.other_macs,
        bit_operations=BitOperations(bits, at_least=bool(model.uncounted)),
        by_layer=by_layer,
    )


def _of_layer(layer: Layer, form: Form) -> LayerOperations:
    def counted() -> LayerOperations:
        work = uses(layer, form)
        return LayerOperations(
            macs=sum([use.macs for use in work]),
            effective_macs=sum([use.effective_macs for use in work]),
            bit_operations=sum([use.effective_macs * use.part.bits * use.input_bits for use in work]),
        )

    return form.once(("operations", layer.calls), counted)
