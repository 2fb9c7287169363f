"""A folder is a registry: drop a file in and it is found, named by its path ("prune.magnitude", "relative-index").

A file is imported when what stands in it is asked for, not before: listing the names imports nothing, and `facts` are
read off the file's text. The environment variable WORKBENCH_SHELF names a folder of one's own, laid out as the
workbench is (`methods/prune/mine.py`, `weights/levels/mine.py`): what lies there is found beside what is shipped.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from workbench.errors import WorkbenchError

T = TypeVar("T")
VARIABLE = "WORKBENCH_SHELF"
COMMANDS = "workbench.commands"  # the group of entry points by which packages built on the workbench bring commands


class Shelf(Mapping[str, type[T]]):
    """The concrete classes of one noun by name, one a file below a package. Files that begin with "_" are left out."""

    def __init__(self, room: str, base: type[T]) -> None:
        """room: the package, as "workbench.methods". base: of every class there; it may be abstract."""
        self.room = room
        self._base = base
        self._found: dict[str, type[T]] = {}  # every move of a live session looks things up

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """Name -> the file that it stands in. Raises WorkbenchError where two files have one name."""
        found: dict[str, Path] = {}
        for folder in self._folders():
            for path in sorted(folder.rglob("*.py")):
                pieces = path.relative_to(folder).with_suffix("").parts
                if any(piece.startswith(("_", ".")) for piece in pieces):
                    continue
                name = ".".join(pieces).replace("_", "-")
                if name in found:
                    raise WorkbenchError(f"{path} would take the place of {name!r}, which is there already: rename it.")
                found[name] = path
        return dict(sorted(found.items()))

    def _folders(self) -> list[Path]:
        """The room's own folder, and the one of the same place in the user's."""
        shipped = [Path(folder) for folder in importlib.import_module(self.room).__path__[:1]]
        own = os.environ.get(VARIABLE)
        if not own:
            return shipped
        _join("workbench", Path(own).absolute())
        place = Path(own).absolute().joinpath(*self.room.split(".")[1:])
        return [*shipped, place] if place.is_dir() else shipped

    def facts(self, name: str) -> dict[str, Any]:
        """What the class says of itself in literals (title, catalogue, paper ...), without importing its file.

        "base" is the name of its first base; a base that stands in a file of the room beginning with "_" is looked
        through: what it says holds where the class says nothing itself. Raises KeyError for an unknown name.
        """
        tree = ast.parse(self.files[name].read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and "title" in _literals(node.body):
                return self._facts(tree, node)
        return {}

    def _facts(self, tree: ast.Module, node: ast.ClassDef) -> dict[str, Any]:
        base = next((base.id for base in node.bases if isinstance(base, ast.Name)), "")
        for line in tree.body:
            if isinstance(line, ast.ImportFrom) and any(alias.name == base for alias in line.names):
                above, file = (line.module or "").rpartition(".")[::2]
                if file.startswith("_") and f"{above}.".startswith(f"{self.room}."):
                    folder = self._folders()[0].joinpath(*above.split(".")[self.room.count(".") + 1 :])
                    shared = ast.parse((folder / f"{file}.py").read_text(encoding="utf-8"))
                    found = next(one for one in shared.body if isinstance(one, ast.ClassDef) and one.name == base)
                    return self._facts(shared, found) | _literals(node.body)
        return {"base": base, **_literals(node.body)}

    def __getitem__(self, name: str) -> type[T]:
        if name not in self._found:
            self._found[name] = self._import(name)
        return self._found[name]

    def _import(self, name: str) -> type[T]:
        path = self.files[name]
        home = f"{self.room}.{name.replace('-', '_')}"
        try:
            module = importlib.import_module(home)
        except Exception as error:  # a file of one's own may fail in any way; the others still work
            raise WorkbenchError(f"{path} cannot be imported: {type(error).__name__}: {error}.") from error
        for member in vars(module).values():
            concrete = inspect.isclass(member) and issubclass(member, self._base) and not inspect.isabstract(member)
            if concrete and member.__module__ == home:
                return member
        raise WorkbenchError(f"{path} holds no {self._base.__name__}.")

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: object) -> bool:
        return name in self.files


def _join(package: str, folder: Path) -> None:
    """Have Python look for the modules of `package` in `folder`, too, and so on for the folders in it."""
    paths = getattr(importlib.import_module(package), "__path__", None)
    if paths is None:  # a folder that is called as a module of the workbench is: nothing on a shelf lies there
        return
    if str(folder) not in paths:
        paths.append(str(folder))
    for inner in sorted(folder.iterdir()) if folder.is_dir() else ():
        if inner.is_dir() and not inner.name.startswith(("_", ".")):
            _join(f"{package}.{inner.name}", inner)


def _literals(body: list[ast.stmt]) -> dict[str, Any]:
    """The names that a class body gives a literal, alone or several at once."""
    found: dict[str, Any] = {}
    for line in body:
        if not isinstance(line, ast.Assign):
            continue
        to = line.targets[0]
        names = [name.id for name in (to.elts if isinstance(to, ast.Tuple) else [to]) if isinstance(name, ast.Name)]
        try:
            value = ast.literal_eval(line.value)
        except ValueError:
            continue
        found |= zip(names, value, strict=True) if isinstance(to, ast.Tuple) else {names[0]: value}
    return found
