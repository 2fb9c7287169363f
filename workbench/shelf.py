"""A folder is a registry: drop a file in and it is found, named by its path ("prune.magnitude", "relative-index").

A file is imported when what stands in it is asked for, not before: listing the names imports nothing.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Shelf(Mapping[str, type[T]]):
    """The concrete classes of one noun by name, one a file below a package. Files that begin with "_" are left out."""

    def __init__(self, room: str, base: type[T]) -> None:
        """room: the package, as "workbench.methods". base: of every class there; it may be abstract."""
        self.room = room
        self._base = base

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """Name -> the module that it stands in."""
        folders = [Path(folder) for folder in importlib.import_module(self.room).__path__]
        paths = [path.relative_to(folder) for folder in folders for path in folder.rglob("*.py")]
        shown = [path for path in paths if not any(piece.startswith(("_", ".")) for piece in path.parts)]
        dotted = sorted(".".join(path.with_suffix("").parts) for path in shown)
        return {name.replace("_", "-"): f"{self.room}.{name}" for name in dotted}

    def __getitem__(self, name: str) -> type[T]:
        home = self.modules[name]
        for member in vars(importlib.import_module(home)).values():
            concrete = inspect.isclass(member) and issubclass(member, self._base) and not inspect.isabstract(member)
            if concrete and member.__module__ == home:
                return member
        raise LookupError(f"{home} holds no {self._base.__name__}.")

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __contains__(self, name: object) -> bool:
        return name in self.modules
