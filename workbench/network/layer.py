"""A layer: one tensor of weights, and how a network uses it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import nn

from workbench.network.arrangement import Arrangement
from workbench.network.trace import Call
from workbench.weights.arrays import Floats, has_negative_zeros
from workbench.weights.blank import Blank
from workbench.weights.form import Form
from workbench.weights.levels.floating_point import FloatingPoint
from workbench.weights.part import Part

HALVES = {"float16": FloatingPoint(5, 10), "bfloat16": FloatingPoint(8, 7)}


@dataclass(frozen=True, eq=False)
class Layer:
    """A weight that a network multiplies, or looks rows up in: a linear layer, a convolution, a part of attention.

    name: of the module whose only weight it is, the first one where several share it; else the parameter's own name.
    `aliases` are the others. parameter: its name in the network's state dict. kind: "linear", "conv1d", "conv2d",
    "conv_transpose2d", "embedding", "matmul" and so on. weight: [out, in / groups, ...], float32, read-only; None of a
    blank network. shape: the weight's. arrangement: how it lies in the parameter. groups: of a layer that is called; 1
    of any other. calls: one per use in a forward pass, so a layer used twice counts its operations twice; one in all
    where operators read parts of it. called: whether a module of that name does nothing else, so that what enters it
    can be seen and rounded. special: why nothing but the module itself may stand in its place, as the end of a
    sentence; "" where it does what torch's layer does. share_read: of its weights, what one inference reads; less than
    all of a table. uneven: whether parts of it are used more often than others, so that effective operations are an
    average. half: "float16" or "bfloat16" where its weights came so.
    """

    name: str
    parameter: str
    kind: str
    weight: Floats | None
    shape: tuple[int, ...]
    arrangement: Arrangement
    has_bias: bool
    groups: int
    calls: tuple[Call, ...]
    aliases: tuple[str, ...]
    called: bool
    special: str = ""
    share_read: float = 1.0
    half: str = ""
    uneven: bool = False

    @cached_property
    def form(self) -> Form:
        """The form of its weights as they came."""
        if self.weight is None:
            return Form.whole(Blank(self.shape))
        values = self.weight + np.float32(0) if has_negative_zeros(self.weight) else self.weight.view()
        values.flags.writeable = True  # kernels are compiled for such arrays; nobody writes to a part
        if not self.half:
            return Form.whole(Part(values))
        levels = HALVES[self.half]
        return Form.whole(Part(values, levels, levels.codes_of(values)))

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of its calls."""
        return round(sum(call.positions for call in self.calls) * self.size)

    @property
    def paths(self) -> tuple[str, ...]:
        """The modules that are called with its weight."""
        return (self.name, *self.aliases) if self.called else ()

    def fill(self, module: nn.Module, weight: Floats) -> None:
        """Give the layer of `module`, which is the network or a copy of it, another weight."""
        np.copyto(module.get_parameter(self.parameter).detach().numpy(), self.arrangement.tensor(weight))
