"""Layers that are more than torch's own: subclasses, hooks, weights that are read elsewhere. They run as they came.

The answers of every way to run such a network are those of the user's own module, given the decoded weights.
"""

import copy
from collections.abc import Callable
from types import MethodType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.networks import LowRankUpdate
from workbench.accuracy.ways import ways
from workbench.compression.compressed import CompressedModel, compress
from workbench.data.datasets import Dataset
from workbench.engine.assessment import assess
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.activations import Activations
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.models import zoo
from workbench.network.model import Model, load
from workbench.recipe import Recipe, Step


class Same(nn.Conv2d):
    """Padding as TensorFlow has it, which ports of EfficientNet do in front of a convolution without any."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.pad(x, (0, 1, 0, 1)))


class Standardised(nn.Conv2d):
    """Weight standardisation (Qiao et al. 2019)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deviation, mean = torch.std_mean(self.weight, (1, 2, 3), keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / (deviation + 1e-5), self.bias)


class Scaled(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 3 * super().forward(x)


def images(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4))


def vectors(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), layer, nn.ReLU(), nn.Linear(16, 4))


def hooked(kind: str) -> nn.Module:
    layer = nn.Linear(24, 16)
    if kind == "behind":
        layer.register_forward_hook(lambda module, inputs, output: output.abs() + 1)
    else:
        layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] - 1,))
    return vectors(layer)


def patched() -> nn.Module:
    layer = nn.Linear(24, 16)
    layer.forward = MethodType(lambda self, x: nn.Linear.forward(self, x).sin(), layer)  # type: ignore[method-assign]
    return vectors(layer)


class Elsewhere(nn.Module):
    """A weight that is read by a function, too, and one that a table shares."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.tied, self.inner, self.head = tied, nn.Linear(64, 64), nn.Linear(64, 4, bias=False)
        self.table = nn.Embedding(4, 64)
        if tied:
            self.table.weight = self.head.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        y = functional.linear(self.inner(x), self.inner.weight).relu()
        return self.head(y + self.table(torch.tensor([1])))


MADE: dict[str, Callable[[], nn.Module]] = {
    "padding of its own": lambda: images(nn.Conv2d(1, 8, 3), nn.ReLU(), Same(8, 8, 3)),
    "standardised weights": lambda: images(nn.Conv2d(1, 8, 3), nn.ReLU(), Standardised(8, 8, 3)),
    "scaled": lambda: vectors(Scaled(24, 16)),
    "low-rank update": lambda: vectors(LowRankUpdate(24, 16)),
    "a hook behind": lambda: hooked("behind"),
    "a hook in front": lambda: hooked("in front"),
    "a forward that was exchanged": patched,
    "a weight in a function": lambda: Elsewhere(tied=False),
    "a weight that a table shares": lambda: Elsewhere(tied=True),
}
RECIPES = {
    "4 bits": (Uniform(bits=4),),
    "half zeros, k-means": (Magnitude(sparsity=0.5), KMeans(bits=3)),
    "half rank, 8 bits": (SVD(rank=0.5), Uniform(bits=8)),
    "half of the channels": (L1Filter(share=0.5),),
    "inputs on 8 bits": (Uniform(bits=4), Activations(bits=8)),
}


def network(kind: str) -> tuple[nn.Module, Model, Dataset]:
    torch.manual_seed(0)
    module = MADE[kind]().eval()
    numbers, labels = np.random.default_rng(0).standard_normal((60, 1, 8, 8)).astype(np.float32), np.arange(60) % 4
    data = Dataset.from_arrays("noise", test=(numbers, labels), calibration=(numbers, labels))
    return module, Model.from_module(module, torch.zeros(1, 1, 8, 8), data, kind), data


def own(module: nn.Module, compressed: CompressedModel) -> nn.Module:
    """The user's module with the decoded weights, and whatever else a step has changed beside them."""
    mine = copy.deepcopy(module)
    state = mine.state_dict()
    with torch.no_grad():
        for name, form in compressed.forms.items():
            state[f"{name}.weight"].copy_(torch.from_numpy(form.compose().copy()))
        for name, tensor in compressed.model.rest.items():
            state[name].copy_(torch.from_numpy(tensor))
    return mine


@pytest.mark.parametrize("recipe", [name for name in RECIPES if "inputs" not in name])
@pytest.mark.parametrize("kind", MADE)
def test_every_way_to_run_it_answers_as_the_users_module_does(kind: str, recipe: str) -> None:
    module, model, data = network(kind)
    assert any(layer.special for layer in model.layers)
    compressed = compress(model, Recipe(tuple(Step(method) for method in RECIPES[recipe])))
    x = data.split("test").inputs()
    with torch.no_grad():
        expected = own(module, compressed)(x)
        bound = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(compressed.to_torch()(x), expected, rtol=0, atol=bound)
        torch.testing.assert_close(compressed.packed()(x), expected, rtol=0, atol=bound)
        for way in ways(model):
            for layer in model.layers:
                way.fill(layer, compressed.forms[layer.name])
            if compressed.model is model:
                torch.testing.assert_close(way.run(way.begin(x), 0)[0], expected, rtol=0, atol=bound)


@pytest.mark.parametrize("kind", MADE)
def test_rounded_inputs_are_the_same_simulated_and_packed(kind: str) -> None:
    _, model, data = network(kind)
    compressed = compress(model, Recipe(tuple(Step(method) for method in RECIPES["inputs on 8 bits"])))
    x = data.split("test").inputs()
    with torch.no_grad():
        expected = compressed.to_torch()(x)
        apart = (compressed.packed()(x) - expected).abs() / expected.abs().max()
    assert apart.max() < 0.02  # a sum in another order may fall on the other side of a step
    assert apart.median() < 1e-4


@pytest.mark.parametrize("kind", ["scaled", "padding of its own"])
def test_the_report_says_so(kind: str) -> None:
    _, model, _ = network(kind)
    name = next(layer.name for layer in model.layers if layer.special)
    report = assess(compress(model, Recipe((Step(SVD(rank=0.5)), Step(Uniform(bits=4))))), latency=True)
    (row,) = (row for row in report.layers if row.name == name)
    assert "computes in a way of its own" in row.note
    assert "runs as the module that came, on the decoded weights" in row.latency_note


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_fast_path_of_transformers_is_not_taken(recipe: str) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    module = nn.Sequential(
        nn.Unflatten(1, (4, 16)), nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(64, 4)
    ).eval()
    numbers = np.random.default_rng(0).standard_normal((20, 64)).astype(np.float32)
    data = Dataset.from_arrays("n", test=(numbers, np.arange(20) % 4), calibration=(numbers, np.arange(20) % 4))
    model = Model.from_module(module, torch.zeros(1, 64), data)
    x = torch.from_numpy(numbers)
    with torch.no_grad():
        torch.testing.assert_close(model.module(x), module(x), rtol=1e-4, atol=1e-5)
        compressed = compress(model, Recipe(tuple(Step(method) for method in RECIPES[recipe])))
        expected = compressed.to_torch()(x)
        torch.testing.assert_close(compressed.packed()(x), expected, rtol=0, atol=0.02 * float(expected.abs().max()))
    assert [layer.special for layer in model.layers if layer.called] == [""] * 5
    assert {layer.special for layer in model.layers if not layer.called} == {
        "is multiplied by MultiheadAttention itself, in no layer of its own"
    }


@pytest.mark.parametrize("name", zoo.names())
def test_layers_of_the_shelf_are_torchs_own(name: str) -> None:
    assert not any(layer.special for layer in load(name).layers)
