"""Which parameters of a network its multiplications read, and how often: found among the operators of one pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.network.arrangement import AS_IT_IS, Arrangement
from workbench.network.computation import Memory

_OPERANDS = {"mm": (0, 1), "addmm": (1, 2), "bmm": (0, 1), "baddbmm": (1, 2), "convolution": (0, 1)}
_TABLES = ("embedding", "embedding_bag_forward_only")
_COPYING = frozenset(("clone", "to_copy", "unsafe_view", "lift_fresh", "reshape_alias"))


@dataclass(frozen=True)
class Multiplication:
    """One operator that reads one parameter, or a part of it. inputs and outputs: activations, in elements.

    kind: what a layer that does it alone would be called. macs: 0 where rows are looked up. weights: how many of the
    parameter's it reads. arrangement: how a weight lies in the parameter. at: its place among the operators.
    """

    kind: str
    macs: int
    weights: int
    inputs: int
    outputs: int
    arrangement: Arrangement
    at: int


class Multiplications:
    """Sees the operators one after the other."""

    def __init__(self, memory: Memory, parameters: Mapping[str, Tensor]) -> None:
        self._memory = memory
        self._parameters = {
            name: tensor for name, tensor in parameters.items() if tensor.ndim > 1 and tensor.is_floating_point()
        }
        self._held = {memory(tensor): name for name, tensor in self._parameters.items()}  # and what was copied of them
        self._found: dict[str, list[Multiplication]] = {}
        self._pairs: list[tuple[tuple[str, Multiplication], tuple[str, Multiplication]]] = []

    def see(self, name: str, args: Any, results: list[Tensor], macs: int, at: int) -> None:
        """An operator without its underscores, what it was given and what it gave."""
        if name in _COPYING:
            copied = self._of(args[0])
            if copied is not None:
                self._held[self._memory(results[0])] = copied
        elif name in _TABLES:
            table = self._of(args[0])
            if table is not None:
                rows = Multiplication("embedding", 0, 0, 0, results[0].numel(), AS_IT_IS, at)
                self._found.setdefault(table, []).append(rows)
        elif name in _OPERANDS:
            first, second = (args[place] for place in _OPERANDS[name])
            read = []
            for operand, other in ((first, second), (second, first)):
                parameter = self._of(operand)
                if parameter is not None and not (name == "convolution" and operand is first):
                    kind, arrangement = self._way(name, args, self._parameters[parameter], operand, operand is first)
                    sizes = macs, _distinct(operand), other.numel(), results[0].numel()
                    read.append((parameter, Multiplication(kind, *sizes, arrangement, at)))
            if len(read) == 1:
                self._found.setdefault(read[0][0], []).append(read[0][1])
            elif read:
                self._pairs.append((read[0], read[1]))

    @property
    def found(self) -> Mapping[str, tuple[Multiplication, ...]]:
        """Parameter -> what reads it, in that order.

        Of two parameters that are multiplied, one that meets activations elsewhere is the weight there, too, and the
        other takes the place of an activation (a learned first state, learned queries). Where neither does, they make
        a third, and the product is nobody's.
        """
        found = {name: list(reading) for name, reading in self._found.items()}
        for (first, one), (second, other) in self._pairs:
            if (first in self._found) != (second in self._found):
                name, reading = (first, one) if first in self._found else (second, other)
                found[name].append(reading)
        return {name: tuple(sorted(reading, key=lambda each: each.at)) for name, reading in found.items()}

    def _of(self, tensor: Tensor) -> str | None:
        """The parameter that `tensor` is a view of, or a copy."""
        return self._held.get(self._memory(tensor))

    @staticmethod
    def _way(name: str, args: Any, parameter: Tensor, operand: Tensor, left: bool) -> tuple[str, Arrangement]:
        if name == "convolution":
            axes, transposed, groups = parameter.ndim - 2, bool(args[6]), int(args[8])
            kind = f"conv{'_transpose' * transposed}{axes}d"
            return kind, Arrangement(groups if transposed else 0, row=axes == 1)
        if parameter.ndim > 2:
            return "matmul", AS_IT_IS
        lies_as_it_is = operand.stride()[-2:] == parameter.stride()
        tells = operand.stride() != operand.transpose(-1, -2).stride()
        return "linear", Arrangement(swapped=1 if tells and lies_as_it_is != left else 0)


def _distinct(operand: Tensor) -> int:
    """How many numbers it has, those that are spread over a batch once."""
    return math.prod(size for size, step in zip(operand.shape, operand.stride(), strict=True) if step or size == 1)
