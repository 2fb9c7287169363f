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
    from workbench.network.model import Layer


@dataclass(frozen=True, eq=False)
class Use:
    """One tensor at work in one call of its layer.

    positions: how often each of its weights is used: once per output position (a convolution's pixels, a linear layer's
    rows), zero padding included. inputs, outputs: activations that the tensor reads and writes, in elements.
    """

    part: Part
    positions: int
    inputs: int
    outputs: int

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates; a product with a padded zero counts as one."""
        return self.positions * self.part.size

    @property
    def effective_macs(self) -> int:
        """Multiply-accumulates whose weight is not zero."""
        return self.positions * self.part.nonzeros


def uses(layer: Layer, form: Form) -> tuple[Use, ...]:
    """Every use of the layer's tensors in one inference: one per call and tensor, in the order of computation.

    A channel product's first factor takes over stride, padding and dilation, so both factors work on the layer's output
    positions. A spatial product's vertical factor strides over rows only: it works on output height x input width.
    """
    return form.once(("uses", layer.calls), lambda: tuple(_uses(layer, form)))


def _uses(layer: Layer, form: Form) -> Iterator[Use]:
    for call in layer.calls:
        inputs, outputs = math.prod(call.input_shape), math.prod(call.output_shape)
        positions = outputs // layer.shape[0]
        if form.product is None:
            yield Use(form.parts[0], positions, inputs, outputs)
            continue
        between = positions
        if form.product == "spatial":
            between = positions // call.output_shape[-1] * call.input_shape[-1]
        inner = form.parts[0].shape[0] * between
        yield Use(form.parts[0], between, inputs, inner)
        yield Use(form.parts[1], positions, inner, outputs)
