"""The graph and the roofline as the page shows them: places on the page, and no figure of their own."""

from dataclasses import replace

import pytest

import workbench
from tests.zoo import loaded
from widgets.views.graph import colours, graph
from widgets.views.roofline import roofline
from workbench.network.diagram import diagram
from workbench.report.figures import Latency
from workbench.roofline.machine import Bandwidth, Machine
from workbench.roofline.marks import LayerMarks, Mark

MODEL = "resnet-8/fashion-mnist"


@pytest.fixture(scope="module")
def report():
    recipe = workbench.Recipe.sliders(sparsity=0.5, bits=4)
    return workbench.assess(workbench.compress(loaded(MODEL), recipe), images=100)


def test_each_layer_has_a_box_with_its_figure(report):
    found = graph(diagram(loaded(MODEL)), report, "bytes", upright=False)
    boxes = {box["layers"][0]: box for box in found["boxes"] if box["layers"]}
    assert boxes.keys() == {row.name for row in report.layers}
    largest = max(report.layers, key=lambda row: row.bytes)
    for row in report.layers:
        assert boxes[row.name]["share"] == pytest.approx(row.bytes / largest.bytes)
    assert boxes[largest.name]["text"] == found["legend"]["high"]
    assert all(box["share"] is None for box in found["boxes"] if not box["layers"])


@pytest.mark.parametrize("upright", [False, True])
def test_boxes_lie_within_the_whole_and_results_go_one_way(report, upright):
    shown = diagram(loaded(MODEL))
    found = graph(shown, report, "bytes", upright)
    width, height = found["size"]
    for box in found["boxes"]:
        x, y, wide, high = box["place"]
        assert x >= 0 and y >= 0 and x + wide <= width and y + high <= height
    starts = [box["place"][1 if upright else 0] for box in found["boxes"]]
    assert all(starts[source] < starts[target] for source, target in shown.edges)
    assert len(found["lines"]) == len(shown.edges)
    assert (height > width) == upright


def test_a_colour_of_another_network_gives_the_first_one(report):
    assert graph(diagram(loaded(MODEL)), report, "none such", False)["colour"] == "bytes"


def test_zeros_and_bits_have_scales_of_their_own(report):
    shown = diagram(loaded(MODEL))
    zeros, bits = (graph(shown, report, key, False) for key in ("zeros", "bits"))
    assert zeros["legend"]["high"] == "100.0\u00a0%" and bits["legend"]["high"] == "32"
    rows = {row.name: row for row in report.layers}
    for one in (box for box in zeros["boxes"] if box["layers"]):
        row = rows[one["layers"][0]]
        assert one["share"] == pytest.approx(1 - row.nonzeros / row.weights)


def test_latency_is_a_colour_once_it_is_measured(report):
    assert "latency" not in [one.key for one in colours(report)]
    timed = tuple(replace(row, latency=Latency(1e-6), dense_latency=Latency(2e-6)) for row in report.layers)
    keys = [one.key for one in colours(replace(report, layers=timed))]
    assert keys[-2:] == ["latency", "dense-latency"]


MACHINE = Machine("a processor", 2, 1e10, (Bandwidth("first cache", 8, 1e11), Bandwidth("large arrays", 64, 1e10)))


def test_marks_lie_on_the_roof_where_they_reach_it():
    found = roofline(
        MACHINE, [LayerMarks("a", Mark(10.0, 1e10, 1e-3), None), LayerMarks("b", None, Mark(0.05, 5e9, 1e-3))]
    )
    (_, ridge, end), _ = (one["points"] for one in found["roofs"])
    on_top, on_slope = found["marks"][0]["dense"], found["marks"][1]["packed"]
    assert on_top["y"] == ridge[1] == end[1]
    start = found["roofs"][0]["points"][0]
    slope = (ridge[1] - start[1]) / (ridge[0] - start[0])
    assert on_slope["y"] - start[1] == pytest.approx(slope * (on_slope["x"] - start[0]), abs=2e-3)
    assert [row[3] for row in found["rows"]] == ["100\u00a0%", "100\u00a0%"]


def test_what_limits_a_layer_follows_from_the_ridges():
    marks = [LayerMarks(str(one), Mark(one, 1e8, 1e-3), None) for one in (0.05, 0.5, 5.0)]
    found = roofline(MACHINE, marks)
    assert [row[-1] for row in found["rows"]] == ["reading", "reading, unless a cache holds it", "arithmetic"]
    assert found["summary"].startswith("Reading limits 1 of 3 layers")


def test_layers_that_were_not_measured_are_left_out():
    found = roofline(MACHINE, [LayerMarks("a", None, None), LayerMarks("b", Mark(1.0, 1e9, 1e-3), None)])
    assert [one["layer"] for one in found["marks"]] == ["b"]
