"""Diagrams of networks, and where their boxes and lines go."""

from itertools import combinations, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.networks import KINDS, Applied, block, head, input_of
from tests.zoo import loaded
from workbench.models import zoo
from workbench.network.diagram import Diagram, diagram
from workbench.network.drawing import BETWEEN_LANES, BETWEEN_RANKS, Drawing, drawing
from workbench.network.model import Model

SAID = {"fake-quantised": "Not"}  # which rounds its weights before it reads them


@st.composite
def graphs(draw):
    """Boxes with their sizes, and edges from lower places to higher ones."""
    count = draw(st.integers(1, 14))
    sizes = [(draw(st.integers(4, 90)), draw(st.integers(4, 60))) for _ in range(count)]
    pairs = list(combinations(range(count), 2))
    return sizes, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []


def check(found: Drawing, sizes, edges) -> None:
    boxes = [
        (along - length / 2, along + length / 2, across - height / 2, across + height / 2)
        for (along, across), (length, height) in zip(found.centres, sizes, strict=True)
    ]
    for one, other in combinations(boxes, 2):
        apart = max(one[0] - other[1], other[0] - one[1]), max(one[2] - other[3], other[2] - one[3])
        assert apart[0] >= BETWEEN_RANKS - 1e-6 or apart[1] >= BETWEEN_LANES - 1e-6
    for begin, end, low, high in boxes:
        assert min(begin, low) >= -1e-6 and end <= found.extent[0] + 1e-6 and high <= found.extent[1] + 1e-6
    assert set(found.routes) == set(edges)
    for (source, target), points in found.routes.items():
        assert found.ranks[source] < found.ranks[target]
        assert points[0][0] == pytest.approx(boxes[source][1]) and points[-1][0] == pytest.approx(boxes[target][0])
        assert all(before[0] <= after[0] + 1e-9 for before, after in pairwise(points))
        for place in range(0, len(points), 2):  # the straight pieces, which are level and run beside every box
            (begin, across), (end, there) = points[place : place + 2]
            assert across == there
            for box, (start, stop, low, high) in enumerate(boxes):
                touches = begin < stop - 1e-6 and end > start + 1e-6 and low < across < high
                assert not touches or box in (source, target)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_boxes_are_apart_and_lines_lead_forward_beside_them(graph):
    sizes, edges = graph
    check(drawing(sizes, edges), sizes, edges)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(zoo.listed()), st.integers(20, 150), st.integers(10, 60))
def test_networks_of_the_shelf_are_drawn_so_too(name, length, height):
    nodes = diagram(loaded(name))
    sizes = [(length, height) if node.layers else (length / 3, height / 2) for node in nodes.nodes]
    check(drawing(sizes, nodes.edges), sizes, nodes.edges)


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_of_a_network_is_in_its_diagram(kind):
    torch.manual_seed(0)
    model = Model.from_module(KINDS[kind].make().eval(), input_of(kind, 1))
    found = diagram(model)
    drawn = {name for node in found.nodes for name in node.layers}
    assert drawn | {name for name in ["0"] if kind == "fake-quantised"} == {layer.name for layer in model.layers}
    assert [node.title for node in found.nodes if not node.sources] == ["Input"]
    assert found.note.partition(" ")[0] == SAID.get(kind, "")


def titles(found: Diagram, *places: int) -> list[str]:
    return [found.nodes[place].title for place in places]


def test_a_residual_branch_goes_around_what_it_skips():
    torch.manual_seed(0)
    module = Applied(
        lambda net, x: net.head(torch.relu(net.first(x) + net.body(net.first(x)))),
        first=nn.Conv2d(3, 8, 3, padding=1), body=block(8, 8), head=head(8),
    )  # fmt: skip
    found = diagram(Model.from_module(module.eval(), torch.zeros(1, 3, 8, 8)))
    assert [node.title for node in found.nodes] == [
        "Input", "Conv2d", "Conv2d", "Conv2d", "BatchNorm2d", "ReLU", "+", "relu",
        "AdaptiveAvgPool2d", "Flatten", "Linear", "Output",
    ]  # fmt: skip
    (added,) = (node for node in found.nodes if node.title == "+")
    assert titles(found, *added.sources) == ["Conv2d", "ReLU"]
    assert added.shape == (8, 8, 8)


def test_each_layer_of_squeezenet_stands_once_and_its_expansions_are_concatenated():
    model = loaded("squeezenet/fashion-mnist")
    found = diagram(model)
    assert [name for node in found.nodes for name in node.layers] == [layer.name for layer in model.layers]
    joined = [node for node in found.nodes if node.title == "concat"]
    assert len(joined) == 4 and all(len(node.sources) == 2 for node in joined)


def test_a_network_that_cannot_be_recorded_is_drawn_as_its_layers():
    def forward(net: Applied, x: torch.Tensor) -> torch.Tensor:
        return net.last(net.first(x)) if x.sum() > 0 else net.last(-net.first(x))

    module = Applied(forward, first=nn.Linear(4, 4), last=nn.Linear(4, 2))
    found = diagram(Model.from_module(module.eval(), torch.ones(1, 4)))
    assert [node.layers for node in found.nodes] == [(), ("first",), ("last",), ()]
    assert "order of first use" in found.note
