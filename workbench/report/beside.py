"""What a report says of a tensor that no layer holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workbench.names import printable


@dataclass(frozen=True)
class TensorRow:
    """A tensor that is stored as it is: a bias, a batch norm's statistics, a weight that nothing multiplies.

    bytes: in the packed file. share: of all its bytes.
    """

    name: str
    shape: tuple[int, ...]
    bytes: int
    share: float

    def to_object(self) -> dict[str, Any]:
        return {"name": self.name, "shape": list(self.shape), "bytes": self.bytes, "share": self.share}


@dataclass(frozen=True)
class Owner:
    """A module, "" for the network itself, with its tensors that no layer holds."""

    name: str
    tensors: tuple[TensorRow, ...]

    @property
    def bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def share(self) -> float:
        return sum(tensor.share for tensor in self.tensors)

    @property
    def held(self) -> str:
        """Its tensors by their own names, with their shapes where these differ."""
        names = [printable(tensor.name.rpartition(".")[2]) for tensor in self.tensors]
        shapes = ["x".join(map(str, tensor.shape)) or "1" for tensor in self.tensors]
        if len(set(shapes)) == 1:
            return f"{', '.join(names)} {shapes[0]}"
        return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))


def by_owner(tensors: Iterable[TensorRow]) -> tuple[Owner, ...]:
    """In the order of their first tensors."""
    owned: dict[str, list[TensorRow]] = {}
    for tensor in tensors:
        owned.setdefault(tensor.name.rpartition(".")[0], []).append(tensor)
    return tuple(Owner(name, tuple(found)) for name, found in owned.items())
