"""A state can be run, trained on and changed beside its weights, and nothing of the model it came from changes."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.methods.factorize.svd import SVD
from workbench.network.model import Model
from workbench.network.state import State


@pytest.fixture
def state() -> State:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 8), nn.ReLU(), nn.Linear(8, 4)
    )
    return State.of(Model.from_module(module, torch.zeros(1, 1, 6, 6), name="small"))


def outputs(module: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return module(torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(1)))


def test_a_state_as_it_came_computes_what_its_model_computes(state):
    torch.testing.assert_close(outputs(state.module()), outputs(state.model.module), rtol=0, atol=0)


def test_other_tensors_are_taken_over_and_the_model_stays(state):
    before = outputs(state.model.module)
    changed = state.with_rest({"0.bias": np.full(6, 2.0, np.float32)})
    naive = state.module()
    naive[0].bias.fill_(2.0)
    torch.testing.assert_close(outputs(changed.module()), outputs(naive), rtol=0, atol=0)
    torch.testing.assert_close(outputs(state.model.module), before, rtol=0, atol=0)
    assert changed.model.digest != state.model.digest


def test_equal_tensors_give_the_same_model_again(state):
    zeros = np.zeros(6, np.float32)
    assert state.with_rest({"0.bias": zeros}).model is state.with_rest({"0.bias": zeros.copy()}).model
    assert state.with_rest({"0.bias": state.model.rest["0.bias"].copy()}).model is state.model


def test_what_training_changed_is_read_back_with_every_factor(state):
    state = state.with_forms(SVD(rank=0.5).apply({name: state.forms[name] for name in ("0", "4")}))
    module = state.module()
    generator = torch.Generator().manual_seed(2)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor += torch.rand(tensor.shape, generator=generator)
    after = state.trained(module)
    torch.testing.assert_close(outputs(after.module()), outputs(module), rtol=0, atol=0)
    assert after.forms["0"].rank == state.forms["0"].rank
    assert not np.array_equal(after.model.rest["1.running_mean"], state.model.rest["1.running_mean"])
