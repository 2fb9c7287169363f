"""Networks and reports that several tests look at, computed once."""

import pytest
import torch
from torch import nn

import workbench
from tests.widgets.reports import assessed
from workbench.report.report import Report


@pytest.fixture(scope="session")
def lenet() -> workbench.Model:
    return workbench.load("lenet-300-100/mnist")


@pytest.fixture(scope="session")
def untouched(lenet) -> Report:
    return assessed(lenet)


@pytest.fixture(scope="session")
def squeezed(lenet) -> Report:
    """Half of the weights zero, the others 4 bits wide."""
    return assessed(lenet, sparsity=0.5, bits=4)


@pytest.fixture(scope="session")
def own() -> workbench.Model:
    """A user's network without test images."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    return workbench.Model.from_module(module, torch.zeros(1, 12), name="own")
