"""Arithmetic intensity against the figures of the catalogue (ME-11, ME-12)."""

import pytest
import torch
from torch import nn

import workbench
from workbench.costs.arithmetic_intensity import ArithmeticIntensity
from workbench.models import zoo
from workbench.network.model import Model


def test_lenet_300_100_moves_each_value_once():
    """236,584 + 30,500 + 1,120 words at batch 1; 266,610 of weights and biases are read once a batch."""
    plain = workbench.compress(
        Model.from_module(zoo.build("lenet-300-100"), torch.zeros(1, 1, 28, 28)), workbench.Recipe()
    )
    assert ArithmeticIntensity.of(plain).value == pytest.approx(266_200 / (4 * 268_204))
    assert round(ArithmeticIntensity.of(plain).value, 3) == 0.248
    assert round(ArithmeticIntensity.of(plain, batch=64).value, 2) == 11.55


def test_a_compressed_layer_moves_what_it_stores_and_a_rounded_input_is_narrower():
    module = nn.Sequential(nn.Linear(64, 32, bias=False))
    model = Model.from_module(module, torch.zeros(1, 64))
    four = workbench.compress(model, workbench.Recipe.sliders(bits=4))
    stored = four.plans["0"][1].nbytes
    figure = ArithmeticIntensity.of(four)
    assert figure.value == figure.by_layer["0"] == four.forms["0"].parts[0].nonzeros / (stored + 4 * (64 + 32))
