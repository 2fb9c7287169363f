"""A network on images in lanes gives torch's scores, at every cut and for every form of its layers."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import workbench
from tests.zoo import loaded
from workbench.accuracy.lane_network import LaneNetwork
from workbench.accuracy.torch_network import TorchNetwork
from workbench.kernels.lanes.vectors import LANES
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.weights.form import Form

NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist", "resnet-8/fashion-mnist", "mobilenet-v2/fashion-mnist",
            "squeezenet/fashion-mnist")  # fmt: skip


def _network(model: Model, forms: dict[str, Form] | None = None) -> LaneNetwork:
    with torch.no_grad():
        example = torch.rand(2, *model.input_shape)
        graph = TorchNetwork(model, example, torch.channels_last).graph
        network = LaneNetwork(model, graph, example)
    for layer in model.layers:
        network.fill(layer, layer.form if forms is None else forms[layer.name])
    return network


def _scores(network: LaneNetwork, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.run(network.begin(x), 0)[0][: len(x)]


def _agree(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe.sliders(sparsity=0.7, bits=4),
        Recipe.sliders(rank=0.4, sparsity=0.5),
        Recipe.sliders(sparsity=1.0),
    ],
    ids=["original", "sparse", "low-rank", "nothing"],
)
def test_the_zoo(name: str, recipe: Recipe) -> None:
    model = loaded(name)
    compressed = workbench.compress(model, recipe)
    x = torch.rand(37, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        _agree(_scores(_network(model, dict(compressed.forms)), x), compressed.to_torch()(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_cut_gives_the_same_scores_bit_for_bit(name: str) -> None:
    model = loaded(name)
    network = _network(model)
    x, other = (torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    whole = _scores(network, x)
    with torch.inference_mode():
        for cut in range(1, len(network.sizes)):
            held = network.held(network.run(network.begin(x), 0, cut))
            assert sum(one.nbytes for one in held) == -(-20 // LANES) * LANES * network.sizes[cut]
            _scores(network, other)  # overwrites what is not held
            for _ in range(2):
                assert torch.equal(network.run(held, cut)[0][: len(x)], whole), cut


def test_a_layer_is_first_used_where_its_weight_is() -> None:
    network = _network(loaded("resnet-8/fashion-mnist"))
    assert sorted(network.first_use, key=lambda one: network.first_use[one])[:3] == [
        "conv1",
        "stack1.conv1",
        "stack1.conv2",
    ]
    x = torch.rand(16, 1, 28, 28)
    with torch.inference_mode():
        live = network.run(network.begin(x), 0, network.first_use["stack2.conv2"])
    assert sorted((one.channels, one.height) for one in live) == [(16, 28), (32, 14)]


class _Mixed(nn.Module):
    """Sums, concatenations and activations where no step takes them in."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Conv2d(4, 4, (3, 1), padding=(1, 0)),
            nn.Conv2d(4, 6, 1),
        )
        self.pool, self.drop, self.fc = nn.MaxPool2d(2), nn.Dropout(), nn.Linear(14 * 4 * 3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        z = functional.relu(self.b(functional.relu(y)) + y)
        y = torch.cat([y, self.c(z), z + y], dim=1)
        return self.fc(self.drop(self.pool(torch.relu(y))).flatten(1))


class _Shared(nn.Module):
    """One value is added to two others, and one concatenation is a part of another."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 3, 2, 1), nn.Conv2d(3, 3, 2, 2)
        self.mean, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(9, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        one, other = self.b(y), self.c(y)
        whole = torch.cat([torch.cat([one + other, other], 1), one], 1)
        return self.fc(torch.flatten(self.mean(whole), 1))


class _Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 6, 3, dilation=2, padding=2, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
            nn.Conv2d(6, 6, 3, groups=6, stride=(2, 1), padding=1, bias=False), nn.BatchNorm2d(6, affine=False),
            nn.Conv2d(6, 4, 1, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 6, 3), nn.ReLU(), nn.Linear(3, 3),
        )  # fmt: skip
        for one in self.layers:
            if isinstance(one, nn.BatchNorm2d):
                nn.init.uniform_(one.running_var, 0.3, 2)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.mark.parametrize("module", [_Mixed(), _Shared(), _Grouped()])
def test_a_module_of_the_users_own(module: nn.Module) -> None:
    model = Model.from_module(module.eval(), torch.rand(1, 2, 8, 6))
    x = 2 * torch.rand(50, 2, 8, 6) - 1
    network = _network(model)
    with torch.inference_mode():
        _agree(_scores(network, x), module(x))
        _cuts(network, x, range(1, len(network.sizes)))


def _cuts(network: LaneNetwork, x: torch.Tensor, cuts: Sequence[int]) -> None:
    whole = _scores(network, x)
    for cut in cuts:
        held = network.held(network.run(network.begin(x), 0, cut))
        assert torch.equal(network.run(held, cut)[0][: len(x)], whole), cut


def test_an_image_does_not_depend_on_those_beside_it() -> None:
    network = _network(loaded("mobilenet-v2/fashion-mnist"))
    x = torch.rand(112, 1, 28, 28)
    places = torch.from_numpy(np.random.default_rng(0).permutation(112))
    assert torch.equal(_scores(network, x)[places], _scores(network, x[places]))
