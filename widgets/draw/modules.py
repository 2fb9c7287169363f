"""Joins a script's modules into one, and their styles: a widget is loaded from a string, which can import nothing.

A module imports by name, `import { make } from "./elements.js";`, and exports where it defines. Its style, if it has
one, lies beside it under the same name. No two modules may define the same name, since they end in one scope.
"""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def modules(entry: Path) -> list[Path]:
    """The files that `entry` needs, each after those that it imports, `entry` last."""
    found: dict[Path, None] = {}
    _visit(entry.resolve(), found)
    return list(found)


def script(entry: Path) -> str:
    """The modules of `entry` as one, which exports what `entry` exports by default."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", path.read_text(encoding="utf-8"))) for path in modules(entry))


def style(entry: Path) -> str:
    """The styles of the modules of `entry`, in the same order."""
    styles = [path.with_suffix(".css") for path in modules(entry)]
    return "\n".join(path.read_text(encoding="utf-8") for path in styles if path.exists())


def _visit(path: Path, found: dict[Path, None]) -> None:
    for name in _IMPORT.findall(path.read_text(encoding="utf-8")):
        needed = (path.parent / name).resolve()
        if needed not in found:
            _visit(needed, found)
    found[path] = None
