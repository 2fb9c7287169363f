"""Inbound pruning: variances beside one convolution for each pair of channels, and which kernels go."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.calibration import inbound
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import RecipeError
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.inbound import Inbound
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, (2, 3), stride=2, groups=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(36, 3),
    )  # fmt: skip
    images, labels = RNG.random((30, 2, 6, 8), np.float32), np.arange(30) % 3
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    return Model.from_module(module.eval(), torch.zeros(1, 2, 6, 8), data)


def naive(layer: nn.Conv2d, x: torch.Tensor) -> np.ndarray:
    """[out, in / groups]: var ‖W_tc ∗ x_c‖, a convolution of one channel to one map at a time."""
    out, channels = layer.weight.shape[:2]
    found = np.zeros((out, channels))
    for row, column in np.ndindex(out, channels):
        source = row * layer.groups // out * channels + column
        kernel = layer.weight[row : row + 1, column : column + 1]
        added = nn.functional.conv2d(x[:, source : source + 1], kernel, None, layer.stride, layer.padding)
        found[row, column] = added.flatten(1).norm(dim=1).double().numpy().var()
    return found


@pytest.mark.parametrize("at_once", [2**23, 1])
def test_variances_are_those_of_each_channels_own_convolution(model, monkeypatch, at_once):
    monkeypatch.setattr(inbound, "_AT_ONCE", at_once)
    evidence = Calibration(State.of(model), f"inbound {at_once}")
    with torch.no_grad():
        x = model.data.split("calibration").inputs()
        first = naive(model.module[0], x)
        second = naive(model.module[2], model.module[:2](x))
        entering = model.module[:5](x).double().numpy()
    last = np.square(model.layers[2].weight.astype(float)) * np.abs(entering).var(0)
    for name, expected in (("0", first), ("2", second), ("5", last)):
        np.testing.assert_allclose(evidence.inbound(name), expected, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("scope", ["output", "layer"])
def test_whole_kernels_of_least_variance_go_and_none_at_a_share_of_0(model, scope):
    evidence = Calibration(State.of(model), "inbound")
    compressed = compress(model, Recipe((Step(Inbound(share=0.4, scope=scope)),)))
    for layer in model.layers:
        variances, after = evidence.inbound(layer.name), compressed.forms[layer.name].compose()
        gone = ~after.reshape(*after.shape[:2], -1).any(2)
        np.testing.assert_array_equal(after[~gone], layer.weight[~gone])
        for found, going in zip(variances, gone, strict=True) if scope == "output" else [(variances, gone)]:
            assert going.sum() == round(0.4 * going.size)
            assert going.all() or not going.any() or found[going].max() <= found[~going].min()
    untouched = compress(model, Recipe((Step(Inbound(share=0.0)),)))
    assert all(untouched.forms[layer.name] is layer.form for layer in model.layers)


def test_a_channel_that_never_changes_adds_nothing_that_differs_and_goes_first():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 3))
    images, labels = RNG.random((30, 3, 6, 6), np.float32), np.arange(30) % 3
    images[:, 1] = images[0, 1]
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    model = Model.from_module(module.eval(), torch.zeros(1, 3, 6, 6), data)
    gone = compress(model, Recipe((Step(Inbound(share=0.34), ("0",)),))).forms["0"].compose()
    assert not gone[:, 1].any() and gone[:, [0, 2]].all()
    again = Recipe((Step(Inbound(share=0.34), ("0",)), Step(Inbound(share=0.34), ("0",))))
    np.testing.assert_array_equal(compress(model, again).forms["0"].compose(), gone)  # what is gone counts


def test_factors_have_no_kernels_between_two_channels(model):
    with pytest.raises(RecipeError, match="'0'.* product of matrices"):
        compress(model, Recipe((Step(SVD(rank=0.5), ("0",)), Step(Inbound(share=0.5), ("0",)))))


def test_fewer_answers_are_lost_than_without_kernels_at_random():
    """Half of the kernels of each map of LeNet-5's second convolution, no training: the floor of any criterion."""
    model = workbench.load("lenet-5/mnist")
    state, random = State.of(model), np.random.default_rng(0)
    stays = random.permuted(np.tile(np.arange(20) >= 10, (50, 1)), axis=1)
    part = state.forms["conv2"].parts[0].kept(np.broadcast_to(stays[:, :, None, None], (50, 20, 5, 5)))
    drawn = state.with_forms({"conv2": state.forms["conv2"].with_parts([part])}).module()
    chosen = compress(model, Recipe((Step(Inbound(share=0.5), ("conv2",)),))).to_torch()
    split = model.data.split("test")
    x, y = split.inputs(slice(2000)), split.targets()[:2000]
    with torch.inference_mode():
        right = [float((network(x).argmax(1) == y).float().mean()) for network in (chosen, drawn)]
    assert right[0] > right[1]
