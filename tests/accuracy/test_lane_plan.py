"""What follows a layer becomes a part of its step; what there is no step for is refused."""

from math import inf

import pytest
import torch
from torch import nn

from tests.zoo import loaded
from workbench.accuracy.lane_plan import Plan, planned
from workbench.accuracy.torch_network import TorchNetwork
from workbench.network.model import Model


def _plan(model: Model) -> Plan:
    example = torch.rand(2, *model.input_shape)
    with torch.no_grad():
        graph = TorchNetwork(model, example, torch.channels_last).graph
        return planned(graph, graph.results(example))


@pytest.mark.parametrize(
    ("name", "pools"),
    [
        ("lenet-300-100/mnist", []),
        ("lenet-5/mnist", [2, 2]),
        ("resnet-8/fashion-mnist", [0]),
        ("mobilenet-v2/fashion-mnist", [0]),
        ("squeezenet/fashion-mnist", [2, 2, 0]),
    ],
)
def test_the_zoo_is_nothing_but_layers_and_pooling(name: str, pools: list[int]) -> None:
    model = loaded(name)
    plan = _plan(model)
    assert [step.layer for step in plan.steps if step.layer] == [layer.name for layer in model.layers]
    assert [step.pool for step in plan.steps if not step.layer] == pools


def test_a_residual_is_added_by_the_later_of_its_branches() -> None:
    steps = {step.layer: step for step in _plan(loaded("resnet-8/fashion-mnist")).steps}
    assert steps["stack1.conv2"].beside is steps["conv1"].writes
    assert steps["stack2.conv2"].beside is None and not steps["stack2.conv2"].clips
    assert steps["stack2.shortcut"].beside is steps["stack2.conv2"].writes
    assert (steps["stack2.shortcut"].low, steps["stack2.shortcut"].high) == (0, inf)


def test_parts_of_a_concatenation_are_written_where_they_belong() -> None:
    steps = {step.layer: step for step in _plan(loaded("squeezenet/fashion-mnist")).steps}
    one, other = steps["fire2.expand1x1"].writes, steps["fire2.expand3x3"].writes
    assert one.root is other.root is steps["fire3.squeeze"].reads
    assert (one.channel, other.channel) == (0, 64)


class _Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 5, padding=2), nn.Conv2d(2, 3, 3, padding=1)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        return self.fc(torch.flatten(self.pool(self.c(y) + self.b(y)), 1))


def test_a_border_is_as_wide_as_the_widest_padding_that_needs_it() -> None:
    steps = {step.layer: step for step in _plan(Model.from_module(_Wide(), torch.rand(1, 1, 8, 8))).steps}
    assert steps["a"].writes.halo == 2
    assert steps["b"].writes is steps["c"].beside or steps["c"].writes is steps["b"].beside


def _small(*rest: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), *rest, nn.Flatten(), nn.Linear(4 * 36, 2))


@pytest.mark.parametrize(
    "rest",
    [nn.Sigmoid(), nn.Conv2d(4, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
     nn.Softmax(1), nn.GroupNorm(2, 4)],
)  # fmt: skip
def test_other_operations_are_refused(rest: nn.Module) -> None:
    with pytest.raises(ValueError, match="There is no step for"):
        _plan(Model.from_module(_small(rest).eval(), torch.rand(1, 1, 8, 8)))


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.fc = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.a(self.a(x)), 1))


def test_a_layer_that_is_called_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Layer 'a' is called twice\.$"):
        _plan(Model.from_module(_Twice(), torch.rand(1, 1, 8, 8)))


def test_an_activation_that_does_not_follow_a_layer_is_a_step() -> None:
    plan = _plan(Model.from_module(_small(nn.ReLU(), nn.MaxPool2d(1), nn.ReLU6()), torch.rand(1, 1, 8, 8)))
    assert [(step.layer, step.pool, step.low, step.high) for step in plan.steps] == [
        ("0", None, 0, inf),
        ("", 1, -inf, inf),
        ("", None, 0, 6),
        ("5", None, -inf, inf),
    ]
