"""The catalogue of methods by number, and the page that says which of them are on the shelf.

`python -m workbench.catalogue.catalogue` writes docs/methods.md.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from workbench.method import METHODS, mode_of
from workbench.shelf import COMMANDS

PAGE = Path("docs/methods.md")
Status = Literal["there", "preview", "not yet"]
_PACKAGE = Path(__file__).parents[1]

_OPENING = """\
# Catalogue of methods

Every system, metric and guideline that the workbench is to hold, by number, and which of them are there. This page is
written by `python -m workbench.catalogue.catalogue` from `workbench/catalogue/catalogue.toml` and from the files that
carry these numbers; `workbench catalogue --json` tells the same.

What a method needs:

- *instant*: a change of the trained weights alone, live under a slider
- *calibrated*: a batch of calibration images, then live
- *trained*: fine-tuning, or training from the start
- *architecture*: a network's shape, trained from the start
- *runtime*: execution that depends on the input
- *reporting*: a metric, a guideline or a rule for reports
- *tool*: a deployment tool or hardware, named as context

*Preview* marks an entry that asks for training where the method on the shelf cuts or rounds the weights and trains
nothing.

Two surveys are named as sources: Goel, Tung, Lu, Thiruvathukal 2020, "A survey of methods for low-power deep learning
and computer vision" (arXiv 2003.11066), and Berthelier, Chateau, Duffner, Garcia, Blanc 2020, "Deep model compression
and architecture optimization for embedded systems: a survey".
"""


@dataclass(frozen=True)
class Entry:
    """One number of the catalogue."""

    number: str
    title: str
    paper: str
    mode: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where an entry lives. name: of a method, or the path of a file. note: what it holds, where not the whole.

    preview: whether it cuts or rounds what its paper trains.
    """

    name: str
    note: str
    preview: bool


@dataclass(frozen=True)
class Category:
    """The entries whose numbers share a prefix, in order."""

    prefix: str
    title: str
    entries: tuple[Entry, ...]


def categories() -> tuple[Category, ...]:
    """The catalogue, in order."""
    text = files("workbench.catalogue").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tuple(
        Category(
            prefix,
            facts.pop("title"),
            tuple(
                Entry(number, entry["title"], entry["paper"], tuple(entry["mode"])) for number, entry in facts.items()
            ),
        )
        for prefix, facts in tomllib.loads(text).items()
    )


def places() -> dict[str, list[Place]]:
    """Number -> where it lives, read off the files themselves: methods by their class, others by their CATALOGUE."""
    modes = {entry.number: entry.mode for category in categories() for entry in category.entries}
    found: dict[str, list[Place]] = {}
    for name in METHODS:
        facts = METHODS.facts(name)
        for number in facts["catalogue"]:
            preview = "trained" in modes[number] and mode_of(facts) != "trained"
            found.setdefault(number, []).append(Place(name, "", preview))
    for package in _packages():
        for path in sorted(package.rglob("*.py")):
            for number, note in _carried(path).items():
                home = path.relative_to(package.parent).as_posix()
                found.setdefault(number, []).append(Place(home, note, preview=False))
    return found


def _packages() -> Iterator[Path]:
    """The workbench, and those built on it that bring commands."""
    yield _PACKAGE
    for name in sorted({one.module.partition(".")[0] for one in entry_points(group=COMMANDS)}):
        spec = find_spec(name)
        yield from map(Path, (spec and spec.submodule_search_locations) or ())


def status(carried: list[Place]) -> Status:
    """Of an entry that lives at these places."""
    if not carried:
        return "not yet"
    return "preview" if all(place.preview for place in carried) else "there"


def rows() -> list[dict[str, Any]]:
    """The whole catalogue as plain data, an object for each number."""
    carried = places()
    return [
        {
            "number": entry.number,
            "category": category.title,
            "title": entry.title,
            "source": entry.paper,
            "needs": list(entry.mode),
            "status": status(carried.get(entry.number, [])),
            "places": [asdict(place) for place in carried.get(entry.number, [])],
        }
        for category in categories()
        for entry in category.entries
    ]


def page() -> str:
    """The text of docs/methods.md."""
    carried = places()
    numbers = sum(len(category.entries) for category in categories())
    lines = [_OPENING, f"{len(carried)} of {numbers} numbers are there."]
    for category in categories():
        lines += ["", f"## {category.title} ({category.prefix}, {len(category.entries)})", ""]
        lines += ["| number | name | source | needs | in the workbench |", "|---|---|---|---|---|"]
        for entry in category.entries:
            here = ", ".join(_said(place) for place in carried.get(entry.number, [])) or "not yet"
            cells = (entry.number, entry.title, entry.paper, ", ".join(entry.mode), here)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _said(place: Place) -> str:
    remark = "preview" if place.preview else place.note
    return f"`{place.name}`" + (f" ({remark})" if remark else "")


def _carried(path: Path) -> dict[str, str]:
    """Number -> note, of a file's constant CATALOGUE: numbers alone, or each with what the file holds of it."""
    text = path.read_text(encoding="utf-8")
    if "\nCATALOGUE = " not in text:
        return {}
    for line in ast.parse(text).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id == "CATALOGUE":
            value = ast.literal_eval(line.value)
            return value if isinstance(value, dict) else dict.fromkeys(value, "")
    return {}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
