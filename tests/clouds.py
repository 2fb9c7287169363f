"""A task that small networks learn in a second: images of 4 x 4 around one of six centres."""

from functools import cache

import numpy as np
import torch
from torch import nn

from workbench.data.datasets import Dataset
from workbench.network.model import Model
from workbench.train.course import TrainingCourse


@cache
def clouds(spread: float = 60.0) -> Dataset:
    centres = np.random.default_rng(0).uniform(60, 200, (6, 1, 4, 4))

    def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        labels = random.integers(0, 6, count)
        return (centres[labels] + random.normal(0, spread, (count, 1, 4, 4))).clip(0, 255).astype(np.uint8), labels

    return Dataset.from_arrays(
        "clouds", train=drawn(900, 1), validation=drawn(300, 2), calibration=drawn(100, 3), test=drawn(300, 4)
    )


def trained(module: nn.Module, epochs: int = 6, spread: float = 60.0) -> Model:
    """`module` as it comes out of a few passes over the clouds."""
    data = clouds(spread)
    TrainingCourse(data, lambda found: None).fit(module.eval(), epochs=epochs, learning_rate=5e-3, seed=0)
    return Model.from_module(module, torch.zeros(1, 1, 4, 4), data, name="clouds")


@cache
def perceptron() -> Model:
    """Two hidden layers with batch norm, and a convolution in front."""
    torch.manual_seed(0)
    return trained(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(128, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 6),
        )
    )  # fmt: skip


@cache
def signed() -> Model:
    """Batch norm in front of every layer, and nothing that leaves only one sign."""
    torch.manual_seed(0)
    return trained(
        nn.Sequential(
            nn.BatchNorm2d(1), nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3, padding=1),
            nn.BatchNorm2d(16), nn.Flatten(), nn.Linear(256, 64), nn.BatchNorm1d(64),
            nn.Linear(64, 6), nn.BatchNorm1d(6),
        )
    )  # fmt: skip
