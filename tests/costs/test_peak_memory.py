"""Peak memory against published and hand counts, and its planner against every order there is."""

import itertools

import pytest
import torch
from torch import nn

import workbench
from workbench.costs.peak_memory import PeakMemory
from workbench.models import zoo
from workbench.network.liveness import Activity, Operation
from workbench.network.model import Model


def planned(module: nn.Module, *shape: int, **sliders: float) -> dict[str, float]:
    model = Model.from_module(module, torch.zeros(1, *shape))
    return dict(PeakMemory.of(workbench.compress(model, workbench.Recipe.sliders(**sliders))).split)


@pytest.mark.parametrize(("architecture", "floats"), [("lenet-5", 11_520 + 2_880), ("lenet-300-100", 784 + 300)])
def test_the_catalogues_figures(architecture: str, floats: int):
    assert planned(zoo.build(architecture), 1, 28, 28)["activations"] == 4 * floats


class Residual(nn.Module):
    """x is needed until the sum: 3 tensors are alive while the second layer runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(100, 80), nn.Linear(80, 100), nn.Linear(100, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x + self.second(torch.relu(self.first(x))))


def test_what_is_needed_later_stays_and_what_is_not_makes_room():
    assert planned(Residual(), 100)["activations"] == 4 * (100 + 80 + 100)
    factored = planned(Residual(), 100, rank=0.5)["activations"]  # ranks of 40: 100 + 100 -> 40 -> 80, then 100 beside
    assert factored == 4 * (100 + 40 + 100)
    plain = nn.Sequential(nn.Linear(100, 80), nn.ReLU(), nn.Linear(80, 100))
    assert planned(plain, 100)["activations"] == 4 * (100 + 80)


def test_weights_are_those_that_the_packed_network_holds():
    model = Model.from_module(zoo.build("lenet-300-100"), torch.zeros(1, 1, 28, 28))
    compressed = workbench.compress(model, workbench.Recipe.sliders(bits=4))
    rest = sum(tensor.nbytes for tensor in model.rest.values())
    stored = sum(array.data.size for encoding in compressed.encodings.values() for array in encoding.arrays())
    assert PeakMemory.of(compressed).split["weights"] == stored + rest


def peak_of(activity: Activity, order: tuple[int, ...]) -> int:
    """Bytes at the worst moment of one order, found by looking at every activation at every moment."""
    worst = 0
    for moment, number in enumerate(order):
        made = {0, *(made for other in order[: moment + 1] for made in activity.operations[other].writes)}
        wanted = {*activity.results, *(read for other in order[moment:] for read in activity.operations[other].reads)}
        wanted |= set(activity.operations[number].writes)
        worst = max(worst, sum(activity.sizes[activation] for activation in made & wanted))
    return worst


def test_the_planner_equals_brute_force_over_all_orders():
    """Two branches of which one makes something large that soon becomes small."""
    graph = Activity(
        operations=(
            Operation((0,), (1,)),  # input -> small, which waits
            Operation((0,), (2,)),  # input -> large
            Operation((2,), (3,), after=(1,)),  # large -> small
            Operation((1,), (4,), after=(0,)),
            Operation((4, 3), (5,), after=(2, 3)),
            Operation((5,), (6,), after=(4,)),
        ),
        sizes=(10, 30, 100, 5, 40, 20, 1),
        results=(6,),
    )
    orders = [
        order
        for order in itertools.permutations(range(6))
        if all(set(graph.operations[number].after) <= set(order[:place]) for place, number in enumerate(order))
    ]
    peaks = [peak_of(graph, order) for order in orders]
    assert len(set(peaks)) > 1
    assert graph.least_peak() == min(peaks)
    assert graph.peak() == peak_of(graph, tuple(range(6)))
