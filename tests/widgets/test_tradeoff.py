"""The trade-off plot: any two measures of every point, the front of the exact ones, and the goals."""

from dataclasses import replace

import pytest

from tests.widgets.reports import assessed
from widgets.views.measures import described, measures
from widgets.views.numbers import NBSP
from widgets.views.points import COARSE, MOST, UNTOUCHED, coarse, compressed_point, original_point, suggest, visit
from widgets.views.tradeoff import Axes, drawn, kept, lines, rails, rows
from workbench.method import METHODS
from workbench.recipe import Recipe, Step
from workbench.report.figures import Accuracy, Latency
from workbench.report.front import front

DEVICE = "horowitz-45nm"


@pytest.fixture(scope="module")
def several(lenet):
    return [
        compressed_point(assessed(lenet, sparsity=sparsity, bits=bits))
        for sparsity, bits in ((0.0, 8), (0.5, 4), (0.8, 4), (0.9, 3), (0.9, 8), (0.3, 2))
    ]


def named(point, digest):
    return replace(point, recipe={**point.recipe, "digest": digest})


def estimated(point):
    return replace(point, exact=False)


def test_a_row_holds_what_every_axis_shows(squeezed):
    row = rows([compressed_point(squeezed)], None, squeezed.device)[squeezed.recipe["digest"]]
    found = dict(zip(measures(), row["values"], strict=True))
    figures = squeezed.compressed
    assert found["size"] == figures.size.value
    assert found["effective_macs"] == pytest.approx(figures.effective_macs)
    assert found["bit_operations"] == pytest.approx(figures.bit_operations.value)
    assert found["energy"] == pytest.approx(figures.energy.value)
    assert found["peak_memory"] == pytest.approx(figures.peak_memory.value)
    assert found["accuracy"] == pytest.approx(100 * figures.accuracy.value)
    assert row["bar"] == pytest.approx([100 * figures.accuracy.low, 100 * figures.accuracy.high])
    assert found["latency"] is None and row["texts"][-1] == "not measured"
    assert [one["key"] for one in described()] == list(measures())


def test_a_latency_that_was_measured_is_one_of_them(squeezed):
    timed = replace(squeezed, compressed=replace(squeezed.compressed, latency=Latency(27.1e-6, low=27e-6, high=28e-6)))
    row = rows([compressed_point(timed)], None, DEVICE)[squeezed.recipe["digest"]]
    assert (row["values"][-1], row["texts"][-1]) == (27.1e-6, f"27.1{NBSP}µs")


def test_there_is_no_point_without_accuracy_where_there_are_images(squeezed):
    unknown = replace(squeezed, compressed=replace(squeezed.compressed, accuracy=None))
    assert compressed_point(unknown) is None
    without = compressed_point(replace(unknown, data=None))
    assert without.exact and without.figure("accuracy", DEVICE) is None


def test_the_same_recipe_twice_is_one_point_and_keeps_what_other_devices_cost(lenet, squeezed):
    first = compressed_point(squeezed)
    other = compressed_point(assessed(lenet, "cortex-m4-l4r5", sparsity=0.5, bits=4))
    assert first.key == other.key
    both = other.after(first)
    assert both.figure("energy", "cortex-m4-l4r5").value != both.figure("energy", DEVICE).value
    assert first.figure("energy", "cortex-m4-l4r5") is None
    (row,) = rows([first], None, "cortex-m4-l4r5").values()
    assert "not on this device yet" in row["texts"]


def test_the_original_is_one_point_whether_visited_or_not(squeezed, untouched):
    original = original_point(squeezed)
    for points in ([compressed_point(squeezed)], [compressed_point(untouched), compressed_point(squeezed)]):
        found = rows(points, original, DEVICE)
        assert list(found) == [UNTOUCHED, squeezed.recipe["digest"]]
        assert found[UNTOUCHED]["kind"] == "original"
        assert found[UNTOUCHED]["values"][list(measures()).index("size")] == squeezed.original.size.value


def test_the_original_counts_as_known(squeezed):
    was = replace(squeezed.original, accuracy=replace(squeezed.original.accuracy, exact=False))
    assert original_point(replace(squeezed, original=was)).exact
    assert original_point(replace(squeezed, original=None)) is None


@pytest.mark.parametrize("axes", [Axes(), Axes("energy", "accuracy"), Axes("accuracy", "arithmetic_intensity")])
def test_the_front_is_that_of_the_figures_of_exact_points(several, axes):
    points = [*several[:-1], estimated(several[-1])]
    pairs = [tuple(one.figure(name, DEVICE).value for name in (axes.x, axes.y)) for one in points[:-1]]
    less = tuple(metric.less_is_better for metric in axes.pair)
    assert lines(points, axes, DEVICE)["front"] == [points[place].digest for place in front(pairs, less)]


def test_a_point_whose_figure_is_not_known_is_on_no_front(several):
    assert lines(several, Axes("latency", "accuracy"), DEVICE) == {"front": [], "knee": ""}
    assert lines(several, Axes("energy", "accuracy"), "cortex-m4-l4r5")["front"] == []


def test_the_knee_is_looked_for_in_ratios_of_what_is_drawn_so(several):
    """Halving the size again and again costs more accuracy each time; the bend of that curve lies in its middle."""

    def made(step):
        one = named(several[0], str(step))
        size = replace(one.figures["size"], value=1_000_000 / 2**step)
        accuracy = replace(one.accuracy, value=0.99 - 0.002 * step**2)
        return replace(one, figures={**one.figures, "size": size}, accuracy=accuracy)

    points = [made(step) for step in range(9)]
    assert lines(points, Axes(), DEVICE)["knee"] == "4"


def test_limits_lie_where_the_axes_draw_them():
    assert rails(Axes(), {"size": 50_000, "accuracy": 0.98}) == {"x": 50_000, "y": 98.0}
    assert rails(Axes("energy", "size"), {"accuracy": 0.98}) == {"x": None, "y": None}
    assert drawn(measures()["accuracy"], -5.0) == -100.0


def test_the_goals_are_counted_and_the_best_is_named(several):
    limits = {"accuracy": 0.9, "size": 150_000}
    within = [
        one
        for one in several
        if one.accuracy.value >= 0.9 and one.figures["size"].value <= 150_000
    ]  # fmt: skip
    smallest = min(within, key=lambda one: one.figures["size"].value)
    said = kept(several, limits, Axes(), DEVICE, "Accuracy")
    assert said.startswith(f"{len(within)} of {len(several)}{NBSP}points have accuracy at least 90.00{NBSP}% and size")
    assert f"least size: {smallest.label}," in said
    assert kept(several, {"size": 1}, Axes(), DEVICE, "Accuracy").startswith(f"None of {len(several)}{NBSP}points has")
    assert kept(several[:1], {"size": 1e9}, Axes(), DEVICE, "Accuracy").startswith(f"1 of 1{NBSP}point has")
    assert kept(several, {}, Axes(), DEVICE, "Accuracy") == ""


def test_of_ten_thousand_visits_the_latest_and_the_untouched_network_are_kept(squeezed, untouched):
    points = {}
    visit(points, compressed_point(untouched))
    squeezed = compressed_point(squeezed)
    for number in range(10_000):
        visit(points, named(squeezed, str(number)))
    kept = [digest for _, digest in points]
    assert kept == [UNTOUCHED, *map(str, range(10_001 - MOST, 10_000))]


def test_a_point_visited_again_outlasts_those_visited_before_it(squeezed):
    points = {}
    for digest in "abca":
        visit(points, named(compressed_point(squeezed), digest), most=3)
    visit(points, named(compressed_point(squeezed), "d"), most=3)
    assert [digest for _, digest in points] == ["c", "a", "d"]


def test_more_untouched_networks_than_points_are_kept_leave_room_for_the_current_one(squeezed, untouched):
    points = {}
    for model in "abc":
        visit(points, replace(compressed_point(untouched), model=model), most=2)
    visit(points, compressed_point(squeezed), most=2)
    assert [digest for _, digest in points] == [UNTOUCHED, squeezed.recipe["digest"]]


def test_a_fast_sweep_leaves_few_estimates_behind_the_latest(squeezed):
    points = {}
    exact, one = named(compressed_point(squeezed), "exact"), estimated(compressed_point(squeezed))
    visit(points, exact)
    for number in range(50):
        visit(points, named(one, str(number)))
    assert [point.digest for point in coarse(points)] == [str(number) for number in range(49, 49 - COARSE, -1)]
    assert exact.key in points


def test_a_suggestion_goes_first_and_becomes_a_visit_when_visited(squeezed):
    points = {}
    one = compressed_point(squeezed)
    visit(points, named(one, "visited"))
    for digest in ("suggested", "visited"):
        suggest(points, named(one, digest))
    assert [(point.digest, point.suggested) for point in points.values()] == [("suggested", True), ("visited", False)]
    visit(points, named(one, "suggested"))
    assert [(point.digest, point.suggested) for point in points.values()] == [("visited", False), ("suggested", False)]


def test_a_retrained_recipe_is_told_from_its_preview(squeezed):
    recipe = {**squeezed.recipe, **Recipe((Step(METHODS["prune.retrained-magnitude"]()),)).to_object()}
    assert compressed_point(replace(squeezed, recipe=recipe)).trained
    assert not compressed_point(replace(squeezed, recipe=recipe, previews=("Retrained",))).trained
    assert not compressed_point(squeezed).trained


def test_a_score_without_end_is_drawn_at_the_edge(squeezed):
    lost = Accuracy(-3e40, None, None, 10, "simulated", True, share=False)
    point = compressed_point(replace(squeezed, compressed=replace(squeezed.compressed, accuracy=lost)))
    (row,) = rows([point], None, DEVICE).values()
    assert (row["values"][0], row["bar"]) == (-100.0, None)
