"""The engine alone on a network of 25.6 million parameters: exact size, operations and energy after a global move."""

from __future__ import annotations

import statistics
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from workbench.compression.compressed import compress
from workbench.engine.assessment import costs
from workbench.network.model import Model
from workbench.recipe import Recipe

MOVES = 20
_BLOCKS = ((64, 3), (128, 4), (256, 6), (512, 3))  # width and number of the blocks of each stage


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut, which is a convolution where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.reduce, self.bn1 = nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
        self.conv, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.expand, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.reduce(x)))
        y = functional.relu(self.bn2(self.conv(y)))
        return functional.relu(self.bn3(self.expand(y)) + self.shortcut(x))


def resnet_50(seed: int = 0) -> nn.Sequential:
    """ResNet-50 with random weights, for images 3 x 224 x 224 (He, Zhang, Ren, Sun, CVPR 2016, table 1)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, 1))
        inputs = 64
        for width, blocks in _BLOCKS:
            for block in range(blocks):
                layers.append(Bottleneck(inputs, width, 2 if block == 0 and width > 64 else 1))
                inputs = 4 * width
        module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))
        for one in module.modules():
            if isinstance(one, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(one.weight)
    return module.eval()


def rows(moves: int = MOVES) -> list[dict[str, Any]]:
    """For each kind of global move, median and 95th percentile of the seconds from a recipe to all of its costs.

    No position of a slider is visited twice. What is prepared once for a network, its sorted magnitudes and the ranges
    of its channels, is not timed; "prepare" says how long that takes.
    """
    model = Model.from_module(resnet_50(), torch.zeros(1, 3, 224, 224), name="resnet-50 layer shapes")
    start = perf_counter()
    for recipe in (Recipe(), Recipe.sliders(sparsity=0.5), Recipe.sliders(sparsity=0.5, bits=5)):
        costs(compress(model, recipe))
    prepare = perf_counter() - start
    places = [(move + 1) / (moves + 1) for move in range(moves)]
    kinds = {
        "sparsity": [Recipe.sliders(sparsity=place) for place in places],
        "sparsity at 4 bits": [Recipe.sliders(sparsity=place, bits=4) for place in places],
        "bits": [Recipe.sliders(bits=bits) for bits in range(1, 9)],
        "bits at 80 % sparsity": [Recipe.sliders(sparsity=0.8, bits=bits) for bits in range(1, 9)],
    }
    weights = sum(layer.size for layer in model.layers)
    return [
        {"model": model.name, "weights": weights, "move": kind, "moves": len(recipes), "prepare": prepare}
        | _spread([_seconds(model, recipe) for recipe in recipes])
        for kind, recipes in kinds.items()
    ]


def _seconds(model: Model, recipe: Recipe) -> float:
    start = perf_counter()
    costs(compress(model, recipe))
    return perf_counter() - start


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "p95": sorted(seconds)[int(0.95 * (len(seconds) - 1))]}
