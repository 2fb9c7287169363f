"""The catalogue of methods by number, and the page that says which of them are on the shelf.

`python -m workbench.catalogue.catalogue` writes docs/methods.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from workbench.method import METHODS

PAGE = Path("docs/methods.md")

_OPENING = """\
# Catalogue of methods

Every system, metric and guideline that the workbench is to hold, by number, and which of them are there. This page is
written by `python -m workbench.catalogue.catalogue` from `workbench/catalogue/catalogue.toml` and from the methods on
the shelf.

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
    """One number of the catalogue.

    here: the file of something that is in the project already and is no method on the shelf (an architecture, an
    encoding, a metric). note: what it holds, where that is not the whole.
    """

    number: str
    title: str
    paper: str
    mode: tuple[str, ...]
    here: str | None = None
    note: str | None = None


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
                Entry(number, one["title"], one["paper"], tuple(one["mode"]), one.get("here"), one.get("note"))
                for number, one in facts.items()
            ),
        )
        for prefix, facts in tomllib.loads(text).items()
    )


def page() -> str:
    """The text of docs/methods.md."""
    there = {entry.number: text for one in categories() for entry in one.entries if (text := _there(entry))}
    numbers = sum(len(one.entries) for one in categories())
    lines = [_OPENING, f"{len(there)} of {numbers} numbers are there."]
    for category in categories():
        lines += ["", f"## {category.title} ({category.prefix}, {len(category.entries)})", ""]
        lines += ["| number | name | source | needs | in the workbench |", "|---|---|---|---|---|"]
        for entry in category.entries:
            cells = (entry.number, entry.title, entry.paper, ", ".join(entry.mode), there.get(entry.number, "not yet"))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _there(entry: Entry) -> str:
    """What the page says of an entry that is there; "" where it is not."""
    found = [
        f"`{name}`" + (" (preview)" if "trained" in entry.mode and method.mode != "trained" else "")
        for name, method in METHODS.items()
        if entry.number in method.catalogue
    ]
    if entry.here:
        found.append(f"`{entry.here}`" + (f" ({entry.note})" if entry.note else ""))
    return ", ".join(found)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
