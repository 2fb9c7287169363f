"""A network's identity is what it computes: its digest, its measured accuracy, and what its file is compared with."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import compress, read
from workbench.data.datasets import Dataset
from workbench.engine.assessment import assess
from workbench.models import zoo
from workbench.network.model import Model
from workbench.recipe import Recipe


class Scaled(nn.Module):
    """Scores times a constant that no state dict holds."""

    def __init__(self, factor: float, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.kind = nn.Linear(4, 2), kind
        if kind == "attribute":
            self.factor = torch.tensor(factor)
        elif kind == "buffer":
            self.register_buffer("factor", torch.tensor(factor), persistent=False)
        else:
            self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * (torch.tensor(self.factor) if self.kind == "constant" else self.factor)


class Branches(nn.Module):
    """Two layers whose results are combined, or one of which is the answer."""

    def __init__(self, combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.combine = nn.Linear(4, 2), nn.Linear(4, 2), combine

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.combine(self.left(x), self.right(x))


class Above(nn.Module):
    """Python compares a value of the input with a number that no operator sees."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.threshold = nn.Linear(4, 2), threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.sum().item() > self.threshold else -self.layer(x)


def normalised(eps: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, eps=eps))


PAIRS: dict[str, tuple[nn.Module, nn.Module]] = {
    "an attribute": (Scaled(1.0, "attribute"), Scaled(-1.0, "attribute")),
    "a buffer that is not saved": (Scaled(1.0, "buffer"), Scaled(-1.0, "buffer")),
    "a constant": (Scaled(1.0, "constant"), Scaled(-1.0, "constant")),
    "a number": (Scaled(1.0, "number"), Scaled(-1.0, "number")),
    "the order of operands": (Branches(lambda x, y: x - y), Branches(lambda x, y: y - x)),
    "which result is the answer": (Branches(lambda x, y: x), Branches(lambda x, y: y)),
    "a threshold in Python": (Above(0.0), Above(2.0)),
    "eps": (normalised(1e-5), normalised(1.0)),
}


@pytest.mark.parametrize("difference", PAIRS)
def test_networks_of_equal_weights_that_compute_otherwise_differ(difference: str) -> None:
    one, other = (Model.from_module(module, torch.zeros(1, 4)) for module in PAIRS[difference])
    again = Model.from_module(PAIRS[difference][0], torch.zeros(1, 4))
    assert one.digest == again.digest != other.digest


@pytest.mark.parametrize("kind", ["attribute", "buffer", "constant", "number"])
def test_accuracy_is_measured_for_each_network_of_equal_weights(kind: str) -> None:
    """Of two classes, scores of the other sign are right wherever the first ones are wrong."""
    images = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    data = Dataset.from_arrays("own", test=(images, np.arange(40) % 2))
    plain, turned = (Model.from_module(Scaled(one, kind), torch.zeros(1, 4), data, "same") for one in (1.0, -1.0))
    with torch.no_grad():
        right = float((Scaled(1.0, kind)(torch.from_numpy(images)).argmax(1).numpy() == np.arange(40) % 2).mean())
    measured = [assess(compress(model, Recipe())).original for model in (plain, turned)]
    assert [figures.accuracy.value for figures in measured if figures and figures.accuracy] == [right, 1 - right]


@pytest.mark.parametrize("architecture", [None, "lenet-5"])
def test_a_network_named_like_one_of_the_shelf_is_not_compared_with_that(
    architecture: str | None, tmp_path: Path
) -> None:
    module = zoo.build("lenet-5", seed=7)
    model = Model.from_module(module, torch.zeros(1, 1, 28, 28), "mnist", "lenet-5/mnist", architecture)
    path = compress(model, Recipe()).save(tmp_path / "own.cwb")
    assert path.stat().st_size == compress(model, Recipe()).size.value
    again = read(path, module if architecture is None else None)
    assert assess(again, images=100).original is None
    same = Model.from_module(
        zoo.module("lenet-5/mnist"), torch.zeros(1, 1, 28, 28), "mnist", "lenet-5/mnist", "lenet-5"
    )
    assert assess(read(compress(same, Recipe()).save(tmp_path / "same.cwb")), images=100).original is not None
    copied = again.save(tmp_path / "copy.cwb")
    assert hashlib.sha256(copied.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()
