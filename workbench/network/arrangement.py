"""How a layer's weight lies in the tensor that the network itself has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from workbench.errors import FormatError


@dataclass(frozen=True)
class Arrangement:
    """A weight is [out, in / groups, ...] here, whatever the order in which torch keeps it.

    swapped: 0, or the number of groups in each of which inputs come before outputs: [groups · in, out, ...], as in
    transposed convolutions. row: whether the kernel has one axis, along the one row of an image.
    """

    swapped: int = 0
    row: bool = False

    def weight(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """The weight that the network's tensor holds; a view where that will do."""
        shape = self.shape(tensor.shape)
        if self.swapped:
            tensor = tensor.reshape(self.swapped, tensor.shape[0] // self.swapped, *tensor.shape[1:]).swapaxes(1, 2)
        return tensor.reshape(shape)

    def tensor(self, weight: NDArray[Any]) -> NDArray[Any]:
        """The network's tensor that holds this weight; a view where that will do."""
        kernel = weight.shape[3:] if self.row else weight.shape[2:]
        if not self.swapped:
            return weight.reshape(*weight.shape[:2], *kernel)
        groups = self.swapped
        grouped = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], *kernel)
        return grouped.swapaxes(1, 2).reshape(groups * weight.shape[1], weight.shape[0] // groups, *kernel)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The weight's, where this is the tensor's."""
        out, inputs, *kernel = shape
        if self.swapped:
            out, inputs = self.swapped * inputs, out // self.swapped
        return out, inputs, *([1] if self.row else []), *kernel

    def facts(self) -> dict[str, Any]:
        """What a file remembers of it: {} where the tensor is the weight."""
        return ({"swapped": self.swapped} if self.swapped else {}) | ({"row": True} if self.row else {})

    @classmethod
    def restored(cls, facts: Any) -> Arrangement:
        """What gave these facts. Raises FormatError where nothing did."""
        found = None
        if isinstance(facts, dict) and facts:
            swapped, row = facts.get("swapped", 0), facts.get("row", False)
            if type(swapped) is int and swapped >= 0 and type(row) is bool:
                found = cls(swapped, row)
        if found is None or found.facts() != facts:
            raise FormatError("field 'lies' does not say how a weight lies in a tensor")
        return found

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of that shape can hold a weight so."""
        return len(shape) >= 2 and (not self.row or len(shape) == 3) and not (self.swapped and shape[0] % self.swapped)


AS_IT_IS = Arrangement()
ROW = Arrangement(row=True)
