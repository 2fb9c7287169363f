"""The places where the controls came to rest: what each is, what it costs, and what was changed to get there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from widgets.views.difference import difference
from widgets.views.recipe import describe
from widgets.views.tiles import tiles
from workbench.devices.device import Device
from workbench.names import printable
from workbench.report.report import Report

UNKNOWN = "not measured"


@dataclass(frozen=True)
class Place:
    """A network on a device, with a recipe as a JSON object."""

    network: str
    device: str
    recipe: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """What its figures depend on; the recipe by its digest."""
        return self.network, self.device, self.recipe["digest"]


@dataclass(frozen=True)
class Reading:
    """One figure of a place as it is shown."""

    label: str
    value: str
    change: str


def readings(report: Report) -> list[Reading]:
    """Of every tile that has a value."""
    return [Reading(tile["label"], tile["value"], tile["change"]) for tile in tiles(report) if tile["value"]]


def changes(before: Place, after: Place) -> list[str]:
    """What was changed from one to the other, a sentence for each."""
    said = []
    if before.network != after.network:
        said.append(f"Network {printable(after.network)} instead of {printable(before.network)}.")
    if before.device != after.device:
        device, was = (Device.load(name).title for name in (after.device, before.device))
        said.append(f"Device for energy: {device} instead of {was}.")
    return said + difference(before.recipe, after.recipe)


def entry(place: Place, parent: Place | None, known: Sequence[Reading]) -> dict[str, Any]:
    """A place in the list: {"recipe", "changes" since the parent, "figures": texts}."""
    return {
        "recipe": describe(place.recipe),
        "changes": [printable(place.network)] if parent is None else changes(parent, place) or ["The same recipe."],
        "figures": [reading.value for reading in known[:2]] or [UNKNOWN],
    }


def side_by_side(places: Sequence[Place], known: Sequence[Sequence[Reading]]) -> dict[str, Any]:
    """Two places: {"titles", "changes" from the first to the second, "rows": {"label", "texts", "notes"}}.

    notes: how each compares with its network as it was.
    """
    found = [{reading.label: reading for reading in of} for of in known]
    nothing = Reading("", UNKNOWN, "")
    rows = [
        {
            "label": label,
            "texts": [of.get(label, nothing).value for of in found],
            "notes": [of.get(label, nothing).change for of in found],
        }
        for label in dict.fromkeys([*found[0], *found[1]])
    ]
    first, second = places
    titles = [describe(place.recipe) for place in places]
    if first.network != second.network:
        titles = [f"{printable(place.network)}: {title}" for place, title in zip(places, titles, strict=True)]
    return {"titles": titles, "changes": changes(first, second) or ["Nothing."], "rows": rows}
