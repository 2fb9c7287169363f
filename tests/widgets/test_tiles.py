"""The tiles say what the report says, with its badge, beside the original."""

from dataclasses import replace

import pytest

from tests.widgets.reports import assessed
from widgets.views.numbers import NBSP
from widgets.views.tiles import tiles
from workbench.accuracy.intervals import SIGNIFICANT, mcnemar
from workbench.report.figures import Figures, Paired
from workbench.report.report import Report


def by_key(report: Report) -> dict[str, dict]:
    return {tile["key"]: tile for tile in tiles(report)}


def test_the_four_tiles_in_order(squeezed):
    assert [tile["key"] for tile in tiles(squeezed)] == ["accuracy", "size", "operations", "energy"]


def test_accuracy_names_its_images_interval_and_badges(squeezed):
    tile, now, was = by_key(squeezed)["accuracy"], squeezed.compressed.accuracy, squeezed.original.accuracy
    assert tile["value"] == f"{100 * now.value:.2f}{NBSP}%"
    assert tile["details"][0] == f"95{NBSP}% interval {100 * now.low:.2f} to {100 * now.high:.2f}{NBSP}%"
    assert tile["details"][1] == f"on {now.images} test images"
    assert tile["badge"] == "simulated"
    assert tile["original"] == {"value": f"{100 * was.value:.2f}{NBSP}%", "badge": "measured"}
    assert not tile["interim"]


def test_accuracy_that_is_not_known_yet_is_no_number(squeezed):
    tile = by_key(replace(squeezed, compressed=replace(squeezed.compressed, accuracy=None)))["accuracy"]
    assert tile["value"] is None
    assert tile["original"] is not None


def test_an_estimate_says_so_and_is_compared_with_nothing_half_counted(squeezed):
    now = replace(squeezed.compressed.accuracy, images=100, exact=False)
    was = replace(squeezed.original.accuracy, images=100, exact=False)
    part = replace(
        squeezed,
        compressed=replace(squeezed.compressed, accuracy=now),
        original=replace(squeezed.original, accuracy=was),
    )
    tile = by_key(part)["accuracy"]
    assert tile["interim"]
    assert tile["details"][1] == "on 100 test images so far"
    assert tile["original"] is None
    assert tile["change"] == ""


def test_size_is_exact_and_split_by_part(squeezed):
    tile, size = by_key(squeezed)["size"], squeezed.compressed.size
    assert tile["badge"] == "on disk"
    assert tile["details"][0] == f"{size.value:,}{NBSP}bytes"
    assert [part["key"] for part in tile["bar"]] == [part for part, count in size.by_part.items() if count]
    assert sum(part["share"] for part in tile["bar"]) == pytest.approx(1)


def test_operations_that_could_not_all_be_counted_are_at_least(squeezed):
    assert "at least" not in by_key(squeezed)["operations"]["value"]
    costs = {name: replace(figure, at_least=True) for name, figure in squeezed.compressed.costs.items()}
    tile = by_key(replace(squeezed, compressed=Figures(None, costs)))["operations"]
    assert tile["value"].startswith("at least ")
    assert tile["details"][1].startswith("at least ")


def test_operations_name_the_input_and_the_unit(squeezed):
    assert by_key(squeezed)["operations"]["note"] == "For one input of 1×28×28. 1 MAC = 2 FLOPs."


def test_energy_is_a_modelled_range_with_its_split_and_reason(squeezed):
    tile, energy = by_key(squeezed)["energy"], squeezed.compressed.energy
    assert tile["badge"] == "modelled"
    assert tile["details"][0].startswith("range ")
    assert {part["key"] for part in tile["bar"]} == {"arithmetic", "on_chip", "dram"}
    assert tile["note"] == energy.note


def test_the_untouched_network_has_not_changed(untouched):
    assert {tile["change"] for tile in tiles(untouched)} == {"no change"}


def test_a_network_without_images_says_so(own):
    tile = by_key(assessed(own, bits=4))["accuracy"]
    assert tile["value"] is None
    assert "No test images" in tile["note"]


def test_without_an_original_nothing_is_compared(squeezed):
    alone = tiles(replace(squeezed, original=None))
    assert {tile["change"] for tile in alone} == {""}
    assert {tile["original"] for tile in alone} == {None}


def with_accuracy(report: Report, **facts) -> dict:
    now = replace(report.compressed, accuracy=replace(report.compressed.accuracy, **facts))
    return by_key(replace(report, compressed=now))["accuracy"]


@pytest.mark.parametrize(
    ("gained", "lost", "tone", "change"),
    [(4, 0, "same", "no clear difference"), (1, 90, "loss", "points"), (90, 1, "gain", "points"), (0, 0, "same", "no")],
)
def test_a_change_is_one_only_where_chance_alone_seldom_makes_it(squeezed, gained, lost, tone, change):
    was, images = squeezed.original.accuracy, squeezed.original.accuracy.images
    p = mcnemar(gained, lost)
    tile = with_accuracy(
        squeezed, value=was.value + (gained - lost) / images, paired=Paired(gained, lost, p, p < SIGNIFICANT)
    )
    assert (tile["tone"], change in tile["change"]) == (tone, True)
    assert any(f"{gained:,} images won and {lost:,} lost" in line for line in tile["details"]) == bool(gained or lost)


def test_what_is_no_better_than_guessing_says_so(squeezed):
    chance = with_accuracy(squeezed, value=0.0982, low=0.0925, high=0.1042, guessing=0.1135)
    assert chance["details"][0] == f"no better than guessing (11.35{NBSP}%)"
    better = with_accuracy(squeezed, value=0.2, low=0.19, high=0.21, guessing=0.1135)
    assert "guessing" not in better["details"][0]


def test_more_of_a_cost_is_a_loss_and_so_is_a_network_of_nothing(squeezed):
    size = squeezed.compressed.costs["size"]
    costs = {**squeezed.compressed.costs, "size": replace(size, value=2 * squeezed.original.size.value)}
    larger = by_key(replace(squeezed, compressed=replace(squeezed.compressed, costs=costs)))["size"]
    assert (larger["tone"], larger["change"]) == ("loss", "2.00× larger")
    empty = {**costs, "effective_macs": replace(costs["effective_macs"], value=0)}
    nothing = by_key(replace(squeezed, compressed=replace(squeezed.compressed, costs=empty)))["operations"]
    assert (nothing["tone"], nothing["change"]) == ("loss", "nothing left")
    assert by_key(squeezed)["size"]["tone"] == "gain"


def test_the_change_of_a_range_is_a_range(squeezed):
    was, now = squeezed.original.costs["energy"], squeezed.compressed.costs["energy"]
    ratios = sorted([was.low / now.low, was.value / now.value, was.high / now.high])
    low, high = by_key(squeezed)["energy"]["change"].removesuffix("× less").split(" to ")
    assert (float(low), float(high)) == (pytest.approx(ratios[0], rel=0.06), pytest.approx(ratios[-1], rel=0.06))


def test_every_tile_tells_how_its_figure_came_about(squeezed):
    for tile in tiles(squeezed):
        assert tile["how"], tile["key"]
    now = squeezed.compressed.accuracy
    right, images = round(now.value * now.images), now.images
    assert by_key(squeezed)["accuracy"]["how"][0].startswith(f"{right:,} right of {images:,} test images")
