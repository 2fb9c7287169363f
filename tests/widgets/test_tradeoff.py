"""The points of the trade-off plot."""

from dataclasses import replace

from tests.widgets.reports import assessed
from widgets.views.tradeoff import MOST, compressed_point, described, original_point, tradeoff, visit


def test_a_point_holds_what_every_axis_shows(squeezed):
    row = compressed_point(squeezed).to_row(squeezed.device)
    figures = squeezed.compressed
    assert row["size"] == figures.size.value
    assert row["effective_macs"] == figures.effective_macs
    assert row["bit_operations"] == figures.bit_operations.value
    assert row["energy"] == figures.energy.value
    assert row["accuracy"] == figures.accuracy.value
    assert {axis["key"] for axis in described()} <= set(row) & set(row["texts"])


def test_there_is_no_point_without_accuracy(squeezed):
    assert compressed_point(replace(squeezed, compressed=replace(squeezed.compressed, accuracy=None))) is None


def test_the_same_recipe_twice_is_one_point_and_keeps_what_other_devices_cost(lenet, squeezed):
    first = compressed_point(squeezed)
    other = compressed_point(assessed(lenet, "cortex-m4-l4r5", sparsity=0.5, bits=4))
    assert first.key == other.key
    both = other.after(first)
    assert both.to_row("cortex-m4-l4r5")["energy"] != both.to_row("horowitz-45nm")["energy"]
    assert first.to_row("cortex-m4-l4r5")["energy"] is None


def test_the_plot_holds_the_points_of_one_network_the_original_and_the_current_one(lenet, squeezed, untouched):
    fashion = replace(compressed_point(squeezed), model="another")
    points = [compressed_point(untouched), compressed_point(squeezed), fashion]
    plot = tradeoff(points, squeezed)
    assert [row["digest"] for row in plot["points"]] == [untouched.recipe["digest"], squeezed.recipe["digest"]]
    assert plot["current"] == squeezed.recipe["digest"]
    assert plot["original"]["size"] == squeezed.original.size.value


def test_of_ten_thousand_visits_the_latest_and_the_untouched_network_are_kept(squeezed, untouched):
    points = {}
    visit(points, compressed_point(untouched))
    squeezed = compressed_point(squeezed)
    for number in range(10_000):
        visit(points, replace(squeezed, digest=str(number)))
    kept = [digest for _, digest in points]
    assert kept == [untouched.recipe["digest"], *map(str, range(10_001 - MOST, 10_000))]


def test_a_point_visited_again_outlasts_those_visited_before_it(squeezed):
    points = {}
    for digest in "abca":
        visit(points, replace(compressed_point(squeezed), digest=digest), most=3)
    visit(points, replace(compressed_point(squeezed), digest="d"), most=3)
    assert [digest for _, digest in points] == ["c", "a", "d"]


def test_more_untouched_networks_than_points_are_kept_leave_room_for_the_current_one(squeezed, untouched):
    points = {}
    for model in "abc":
        visit(points, replace(compressed_point(untouched), model=model), most=2)
    visit(points, compressed_point(squeezed), most=2)
    assert [digest for _, digest in points] == [untouched.recipe["digest"], squeezed.recipe["digest"]]


def test_the_original_counts_as_known(squeezed):
    was = replace(squeezed.original, accuracy=replace(squeezed.original.accuracy, exact=False))
    assert original_point(replace(squeezed, original=was)).exact
    assert original_point(replace(squeezed, original=None)) is None
