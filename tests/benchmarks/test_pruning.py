"""The comparison of pruning criteria: its oracle beside a network without the map, its rows and its page."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import pruning
from benchmarks.kernels import machine
from workbench.calibration.evidence import Calibration
from workbench.data.datasets import Dataset
from workbench.method import METHODS
from workbench.network.model import Model
from workbench.network.state import State

CHEAP = {"prune.l1-filter", "prune.thi-net", "prune.magnitude", "prune.optimal-brain-damage"}


@pytest.fixture(scope="module")
def model() -> Model:
    random = np.random.default_rng(0)
    images, labels = random.random((60, 1, 6, 6), np.float32), np.arange(60) % 3
    data = Dataset.from_arrays(
        "noise", **dict.fromkeys(("train", "validation", "test", "calibration"), (images, labels))
    )
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3))
    return Model.from_module(module.eval(), torch.zeros(1, 1, 6, 6), data, name="small")


def test_the_oracle_is_a_network_without_the_map(model):
    """Whose next layer does not multiply it."""
    cluster = Calibration(State.of(model), "original").channels().clusters[0]
    split = model.data.split("calibration")
    for number in (0, 5):
        plain = State.of(model).module()
        with torch.no_grad():
            plain[4].weight.view(3, 8, 16)[:, number] = 0
            expected = float(F.cross_entropy(plain(split.inputs()), split.targets()))
        assert pruning._loss(State.of(model), cluster[number]) == pytest.approx(expected, rel=1e-5)


def test_criteria_that_need_no_training_are_compared(model, monkeypatch):
    assert {method.name for method in pruning.criteria()} > CHEAP
    few = [METHODS[name]() for name in CHEAP]
    monkeypatch.setattr(pruning, "criteria", lambda: iter(few))
    monkeypatch.setattr(pruning, "load", lambda name: model)
    monkeypatch.setattr(pruning, "SHARES", {"share": (0.5,), "sparsity": (0.8,)})
    monkeypatch.setattr(pruning, "_ORACLE", {"small": "0"})
    found = pruning.run(["small"], images=60, seeds=(0, 1))
    assert {row.method for row in found.rows} == CHEAP
    assert all(len(row.tuned) == 2 and 0 <= row.cut <= 1 for row in found.rows)
    none, maps, weights = found.speeds
    assert maps.macs < weights.macs <= none.macs
    text = pruning.page(found, machine())
    assert all(f"`{row.method}`" in text for row in found.rows)
    assert "## small: 50% of the feature maps of each layer" in text

    def interrupt(text: str) -> None:
        if "speed" in text:
            raise KeyboardInterrupt

    known = pruning.run(["small"], images=60, seeds=(0,), progress=interrupt)
    assert {row.method for row in known.rows} == CHEAP and known.correlations and not known.speeds
    assert "on this machine" not in pruning.page(known, machine())
