"""A user's network without images."""

import pytest
import torch
from torch import nn

import workbench


@pytest.fixture(scope="session")
def own() -> workbench.Model:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    return workbench.Model.from_module(module, torch.zeros(1, 12), name="own")
