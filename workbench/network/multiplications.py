"""Which parameters of a network its multiplications read, and how often: found among the operators of one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.network.arrangement import AS_IT_IS, Arrangement
from workbench.network.computation import Memory

_OPERANDS = {"mm": (0, 1), "addmm": (1, 2), "bmm": (0, 1), "baddbmm": (1, 2), "convolution": (0, 1)}
_LOOKING_UP = ("embedding", "embedding_bag_forward_only")
_COPYING = frozenset(("clone", "to_copy", "unsafe_view", "lift_fresh", "reshape_alias"))


@dataclass(frozen=True)
class Multiplication:
    """One operator that reads one parameter. inputs and outputs: activations, in elements.

    kind: what a layer that does it alone would be called. macs: 0 where rows are looked up. arrangement: how a weight
    lies in the parameter. at: its place among the operators of the pass.
    """

    kind: str
    macs: int
    inputs: int
    outputs: int
    arrangement: Arrangement
    at: int


class Multiplications:
    """Sees the operators one after the other. found: parameter -> what reads it, in that order."""

    def __init__(self, memory: Memory, parameters: Mapping[str, Tensor]) -> None:
        self.found: dict[str, list[Multiplication]] = {}
        self._memory = memory
        self._parameters = {name: tensor for name, tensor in parameters.items() if tensor.ndim > 1}
        self._held: dict[int, list[str]] = {}  # memory -> parameters in it, or those that were copied there
        for name, tensor in self._parameters.items():
            self._held.setdefault(memory(tensor), []).append(name)

    def see(self, name: str, args: Any, results: list[Tensor], macs: int, at: int) -> None:
        """An operator without its underscores, what it was given and what it gave."""
        if name in _COPYING:
            copied = self._parameter(args[0])
            if copied is not None:
                self._held[self._memory(results[0])] = [copied]
        elif name in _LOOKING_UP:
            table = self._parameter(args[0])
            if table is not None:
                self._add(table, Multiplication("embedding", 0, 0, results[0].numel(), AS_IT_IS, at))
        elif name in _OPERANDS:
            first, second = (args[place] for place in _OPERANDS[name])
            parameters = self._parameter(first), self._parameter(second)
            if (parameters[0] is None) == (parameters[1] is None):  # of two parameters a third is made
                return
            parameter = parameters[0] or parameters[1]
            assert parameter is not None
            operand, other = (first, second) if parameters[0] else (second, first)
            kind, arrangement = self._way(name, args, self._parameters[parameter], operand, operand is first)
            self._add(parameter, Multiplication(kind, macs, other.numel(), results[0].numel(), arrangement, at))

    def _add(self, parameter: str, multiplication: Multiplication) -> None:
        self.found.setdefault(parameter, []).append(multiplication)

    def _parameter(self, tensor: Tensor) -> str | None:
        """The one that `tensor` is a view of, or a copy."""
        held = self._held.get(self._memory(tensor), ())
        for name in held:
            start = self._parameters[name].storage_offset()
            if len(held) == 1 or start <= tensor.storage_offset() < start + self._parameters[name].numel():
                return name
        return None

    @staticmethod
    def _way(name: str, args: Any, parameter: Tensor, operand: Tensor, left: bool) -> tuple[str, Arrangement]:
        if name == "convolution":
            axes, transposed, groups = parameter.ndim - 2, bool(args[6]), int(args[8])
            kind = f"conv{'_transpose' * transposed}{axes}d"
            return kind, Arrangement(groups if transposed else 0, row=axes == 1)
        if parameter.ndim > 2 or operand.ndim > 2:
            return "matmul" if parameter.ndim > 2 else "linear", AS_IT_IS
        lies_as_it_is = operand.stride() == parameter.stride()
        tells = operand.stride() != operand.t().stride()
        return "linear", Arrangement(swapped=1 if tells and lies_as_it_is != left else 0)
