"""What a forward pass computes of its input and the weights, written down: the same for the same computation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from workbench.cache import fingerprint

# Those that read what they give and no more, or as many rows as they are given numbers.
_LOOKING_UP = frozenset(("embedding", "embedding_bag_forward_only", "gather", "index", "index_select"))

Memory = Callable[[torch.Tensor], int]  # what tells a tensor's memory from any other's, views of it sharing it


class Computation:
    """Takes down the operators of one pass: with all settings, and for each tensor where it comes from.

    That is the input, a tensor of the state dict (by its name: another value is not another computation), or an
    operator before. Whatever else a module brings along, a buffer that is not saved or a constant of its forward, is
    told by its numbers.
    """

    def __init__(
        self, memory: Memory, example: torch.Tensor, state: Mapping[str, torch.Tensor], entered: list[str]
    ) -> None:
        """entered: the layers that are being called, the innermost last."""
        self._entered = entered
        self.operators: list[str] = []
        self.reads: dict[str, int] = {}  # tensor of the state dict -> bytes of it that operators read
        self.readers: dict[str, set[str]] = {}  # and the layers that are being called then, "" outside of any
        self._memory = memory
        self._origins = {memory(tensor): name for name, tensor in state.items() if tensor.layout is torch.strided}
        self._saved = {*self._origins.values()}
        self._origins[memory(example)] = "input"

    def see(self, func: Any, args: Any, kwargs: Any) -> None:
        """An operator that is about to be called."""
        self.operators.append(f"{func} {tree_map(self._told, (args, kwargs))}")

    def gives(self, func: Any, args: Any, kwargs: Any, results: list[torch.Tensor]) -> None:
        """What the operator that was seen last gave; a view gives no numbers of its own, and reads none."""
        looks_up = func._overloadpacket.__name__.strip("_") in _LOOKING_UP
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided:
                name = self._origins.get(self._memory(tensor))
                if name in self._saved:
                    read = _looked_up(args, results) if looks_up else tensor.nbytes
                    self.readers.setdefault(name, set()).add(self._entered[-1] if self._entered else "")
                    self.reads[name] = min(self.reads.get(name, 0) + read, tensor.untyped_storage().nbytes())
        for place, result in enumerate(results):
            self._origins[self._memory(result)] = f"{len(self.operators)}.{place}"

    def ends(self, result: Any) -> None:
        """The pass, with this answer."""
        self.operators.append(f"answer {tree_map(self._told, result)}")

    def _told(self, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if leaf.layout is not torch.strided:
            return f"{leaf.layout} {tuple(leaf.shape)}"
        origin = self._origins.get(self._memory(leaf))
        if origin is None:
            origin = _content(leaf)
        return f"{origin} {leaf.dtype} {leaf.storage_offset()} {tuple(leaf.shape)} {leaf.stride()}"


def _looked_up(args: Any, results: list[torch.Tensor]) -> int:
    """Bytes of a table that are read, each row once, however often it is asked for."""
    table, rows = args[0], args[1]
    if not isinstance(rows, torch.Tensor) or rows.is_floating_point() or rows.is_meta or table.ndim != 2:
        return sum(result.nbytes for result in results)
    with _disable_current_modes():
        return int(rows.unique().numel()) * int(table[0].nbytes)


def _content(tensor: torch.Tensor) -> str:
    if tensor.is_meta:
        return "blank"
    with _disable_current_modes():
        return fingerprint(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy())
