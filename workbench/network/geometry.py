"""What a layer's tensors meet in one forward pass: at how many positions each weight is used, and which activations.

Every cost that counts work starts here. Batch size is 1 throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.weights.form import Form
from workbench.weights.part import Part

if TYPE_CHECKING:
    from workbench.network.layer import Layer


@dataclass(frozen=True, eq=False)
class Use:
    """One tensor at work in one call of its layer.

    positions: how often each of its weights is used: once per output position (a convolution's pixels, a linear layer's
    rows), zero padding included; on average, of one that is read in parts. inputs, outputs: activations that the tensor
    reads and writes, in elements.
    input_bits: width of one that it reads; what it writes is float32.
    """

    part: Part
    positions: float
    inputs: int
    outputs: int
    input_bits: int = 32

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of the channels that are left; a product with a padded zero counts as one."""
        return round(self.positions * self.part.alive_size)

    @property
    def effective_macs(self) -> int:
        """Multiply-accumulates whose weight is not zero."""
        return round(self.positions * self.part.nonzeros)


def uses(layer: Layer, form: Form) -> tuple[Use, ...]:
    """Every use of the layer's tensors in one inference: one per call and factor, in the order of computation.

    A factor that takes over the layer's stride along an axis leaves as many positions there as the layer has outputs;
    before that there are as many as inputs. A channel product so works on output positions throughout, the vertical
    factor of a spatial one on output height x input width.
    """
    return form.once(("uses", layer.calls), lambda: tuple(_uses(layer, form)))


def _uses(layer: Layer, form: Form) -> Iterator[Use]:
    for call in layer.calls:
        inputs, outputs = math.prod(call.input_shape), math.prod(call.output_shape)
        rows = columns = False  # whether the layer's stride along that axis has been taken
        for factor in form.factors:
            rows, columns = rows or factor.passage.rows, columns or factor.passage.columns
            positions = call.positions
            if layer.kind != "linear" and not rows:
                positions = positions // call.output_shape[-2] * call.input_shape[-2]
            if layer.kind != "linear" and not columns:
                positions = positions // call.output_shape[-1] * call.input_shape[-1]
            written = outputs if factor is form.factors[-1] else int(factor.part.shape[0] * positions)
            width = form.entering_bits if factor is form.factors[0] else 32
            yield Use(factor.part, positions, inputs, written, width)
            inputs = written
