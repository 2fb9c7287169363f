"""ResNet-50's layers are those that were published."""

import pytest
import torch

from benchmarks.resnet_50 import resnet_50
from workbench.compression.compressed import compress
from workbench.costs.macs import Macs
from workbench.devices.device import Device
from workbench.network.model import Model
from workbench.recipe import Recipe


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_module(resnet_50(), torch.zeros(1, 3, 224, 224))


def test_it_has_the_published_parameters_and_layers(model: Model) -> None:
    """25.6 million with batch norm and biases; fifty layers on the way and four shortcuts."""
    assert sum(parameter.numel() for parameter in model.module.parameters()) == 25_557_032
    assert len(model.layers) == 50 + 4


def test_it_has_the_published_operations(model: Model) -> None:
    """He et al. 2016, table 1: 3.8 x 10^9, which they call FLOPs and which are multiply-accumulates."""
    assert 3.8e9 <= Macs.of(compress(model, Recipe()), Device.load("horowitz-45nm")).value < 3.9e9
