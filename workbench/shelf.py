"""A folder is a registry: drop a file in and it is found, named by its path ("prune.magnitude", "relative-index")."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType

from workbench.encoding import Encoding
from workbench.method import Method


def _found(room: str, base: type) -> dict[str, type]:
    package = importlib.import_module(room)
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{room}."):
        path = info.name.removeprefix(f"{room}.")
        if info.ispkg or any(piece.startswith("_") for piece in path.split(".")):
            continue
        module: ModuleType = importlib.import_module(info.name)
        for member in vars(module).values():
            concrete = inspect.isclass(member) and issubclass(member, base) and not inspect.isabstract(member)
            if concrete and member.__module__ == info.name:
                found[path.replace("_", "-")] = member
    return dict(sorted(found.items()))


@cache
def methods() -> dict[str, type[Method]]:
    """Every compression method by name."""
    return _found("workbench.methods", Method)


@cache
def encodings() -> dict[str, type[Encoding]]:
    """Every encoding by name."""
    return _found("workbench.encodings", Encoding)
