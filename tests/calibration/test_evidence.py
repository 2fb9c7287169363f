"""Evidence of what enters the layers, beside a naive pass over the same images."""

import numpy as np
import pytest
import torch

import workbench
from workbench.calibration.evidence import Calibration
from workbench.errors import DataError, Stopped
from workbench.network.state import State


@pytest.fixture(scope="module")
def state() -> State:
    return State.of(workbench.load("lenet-5/mnist"))


def entering(state: State, layer: str) -> torch.Tensor:
    """Everything that enters one layer, in one pass over all calibration images."""
    module, found = state.module(), []
    module.get_submodule(layer).register_forward_pre_hook(lambda _, x: found.append(x[0]))
    with torch.inference_mode():
        module(state.model.data.split("calibration").inputs())
    return found[0]


@pytest.mark.parametrize("layer", ["conv2", "fc2"])
def test_ranges_counts_and_energies_are_those_of_one_plain_pass(state, layer):
    evidence, x = Calibration(state, "original").inputs(layer), entering(state, layer).double()
    assert evidence.low == pytest.approx(float(x.min()), rel=1e-5)
    assert evidence.high == pytest.approx(float(x.max()), rel=1e-5)
    assert evidence.counts.sum() == x.numel()
    middle = float((evidence.edges[:-1] + np.diff(evidence.edges) / 2) @ evidence.counts / evidence.counts.sum())
    assert middle == pytest.approx(float(x.mean()), abs=(evidence.high - evidence.low) / 2048)
    channels = x.movedim(1, -1).reshape(-1, x.shape[1]).square().mean(0)
    np.testing.assert_allclose(evidence.energy, channels.numpy(), rtol=1e-4)


def test_it_is_worked_out_once_and_again_for_another_state(state):
    first = Calibration(state, "one").inputs("fc1")
    assert Calibration(state, "one", cancelled=lambda: True).inputs("fc1") is first
    with pytest.raises(Stopped):
        Calibration(state, "another", cancelled=lambda: True).inputs("fc1")


def test_a_network_without_images_says_so():
    module = torch.nn.Sequential(torch.nn.Linear(4, 2))
    own = workbench.Model.from_module(module, torch.zeros(1, 4), name="own")
    with pytest.raises(DataError, match="own has no data set"):
        Calibration(State.of(own), "own").inputs("0")
