"""The places where the controls came to rest: what each is, what it costs, and what was changed to get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from widgets.views.comparison import comparison
from widgets.views.difference import difference
from widgets.views.measures import brief
from widgets.views.points import Point
from widgets.views.recipe import describe
from workbench.devices.device import Device
from workbench.names import printable

UNKNOWN = "not measured"
_SHOWN = ("accuracy", "size")  # of a place in the list


@dataclass(frozen=True)
class Place:
    """A network on a device, with a recipe as a JSON object."""

    network: str
    device: str
    recipe: Mapping[str, Any]


def changes(before: Place, after: Place) -> list[str]:
    """What was changed from one to the other, a sentence for each."""
    said = []
    if before.network != after.network:
        said.append(f"Network {printable(after.network)} instead of {printable(before.network)}.")
    if before.device != after.device:
        device, was = (Device.load(name).title for name in (after.device, before.device))
        said.append(f"Device for energy: {device} instead of {was}.")
    return said + difference(before.recipe, after.recipe)


def entry(place: Place, parent: Place | None, known: Point | None) -> dict[str, Any]:
    """A place in the list: {"recipe", "changes" since the parent, "figures": texts}."""
    figures = [] if known is None else [known.figure(name, place.device) for name in _SHOWN]
    return {
        "recipe": describe(place.recipe),
        "changes": [printable(place.network)] if parent is None else changes(parent, place) or ["The same recipe."],
        "figures": [brief(figure.metric, figure.value) for figure in figures if figure] or [UNKNOWN],
    }


def side_by_side(first: Place, second: Place, known: tuple[Point | None, Point | None]) -> dict[str, Any]:
    """Two places: {"titles", "changes" from the first to the second, "rows", "missing": a sentence in their place}.

    rows: as of a comparison. known: the point of each. Figures that depend on a device are those on the second's.
    """
    titles = [describe(place.recipe) for place in (first, second)]
    if first.network != second.network:
        titles = [f"{printable(place.network)}: {title}" for place, title in zip((first, second), titles, strict=True)]
    one, other = known
    rows = comparison(one, other, second.device)["rows"] if one and other else []
    return {
        "titles": titles,
        "changes": changes(first, second) or ["Nothing."],
        "rows": rows,
        "missing": "" if rows else "Figures follow once both are measured; go to one to have it measured now.",
    }
