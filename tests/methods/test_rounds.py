"""How much goes in each round of the methods that cut and train in turns."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.data.datasets import Dataset
from workbench.method import METHODS
from workbench.methods._retrained import reached
from workbench.methods.prune.loop import Loop
from workbench.methods.prune.retrained_magnitude import RetrainedMagnitude
from workbench.network.model import Model
from workbench.network.state import State
from workbench.train.course import TrainingCourse


@pytest.mark.parametrize(
    ("schedule", "gone"),
    [
        ("even", [0.2, 0.4, 0.6, 0.8]),
        ("geometric", [0.33126, 0.55279, 0.70093, 0.8]),
        # s_t = s_f + (s_i − s_f)(1 − (t − t_0) / (n Δt))³ with s_i = 0 (Zhu and Gupta 2017, equation 1)
        ("cubic", [0.8 - 0.8 * (3 / 4) ** 3, 0.8 - 0.8 * (2 / 4) ** 3, 0.8 - 0.8 * (1 / 4) ** 3, 0.8]),
    ],
)
def test_schedules_go_as_published_and_end_exactly(schedule, gone):
    found = [reached(0.8, number, 4, schedule) for number in range(1, 5)]
    np.testing.assert_allclose(found, gone, rtol=1e-4)
    assert found[-1] == 0.8 and reached(1.0, 1, 1, schedule) == 1.0


class Noting(TrainingCourse):
    """Notes how many weights of what it trains are zero when it begins, and with which learning rate."""

    def fit(self, module, **given):
        self.zeros = [*getattr(self, "zeros", []), int((module[0].weight == 0).sum())]
        self.rates = [*getattr(self, "rates", []), given["learning_rate"]]
        super().fit(module, **given)


@pytest.fixture(scope="module")
def noise() -> Model:
    random = np.random.default_rng(0)
    images, labels = random.random((64, 10), np.float32), np.arange(64) % 5
    data = Dataset.from_arrays("noise", **dict.fromkeys(("train", "validation", "test"), (images, labels)))
    torch.manual_seed(0)
    return Model.from_module(nn.Sequential(nn.Linear(10, 5)), torch.zeros(1, 10), data)


@pytest.mark.parametrize("schedule", ["even", "geometric", "cubic"])
def test_rounds_begin_with_as_many_zeros_as_the_schedule_says(noise, schedule):
    course = Noting(noise.data, lambda found: None)
    method = RetrainedMagnitude(sparsity=0.9, rounds=3, epochs=1, schedule=schedule)
    (state,) = method.train(State.of(noise), ("0",), course)
    assert course.zeros == [round(50 * reached(0.9, number, 3, schedule)) for number in (1, 2, 3)]
    assert state.forms["0"].parts[0].nonzeros == 5


def test_what_cuts_in_rounds_has_a_schedule():
    rounds = {name for name in METHODS if "rounds" in METHODS[name].settings()}
    assert {"prune.retrained-magnitude", "prune.retrained-taylor"} <= rounds
    assert all("schedule" in METHODS[name].settings() for name in rounds)


@pytest.mark.parametrize(
    "method",
    [
        RetrainedMagnitude(sparsity=0.9, rounds=2, epochs=1, learning_rate=0.02),
        Loop(criterion="magnitude", share=0.4, turns=2, budget=100.0, learning_rate=0.02),
    ],
    ids=lambda method: method.name,
)
def test_no_step_of_a_training_moves_a_weight_by_more_than_its_learning_rate(noise, method):
    """AdamW's first step is its learning rate, the warm-up's part of it, against the sign of the gradient."""
    course = Noting(noise.data, lambda found: None, evidence=lambda state: None)
    *_, state = method.train(State.of(noise), ("0",), course)
    assert course.rates == [0.02, 0.02]
    moved = np.abs(state.forms["0"].compose() - noise.layer("0").weight)[state.forms["0"].compose() != 0]
    assert 0.02 / 2 < moved.max() <= 0.02 * 2 * 1.01  # a batch each
