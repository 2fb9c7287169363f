"""Channels that are emptied are zero wherever they go: the weights that meet them may as well stay in place."""

import math
from threading import Thread

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from tests.odd_networks import (
    IMAGE,
    Attending,
    AttendingFused,
    AttendingInOne,
    OneHead,
    OneHeadInOne,
    Residual,
    SharedKeys,
    Shuffled,
    model_of,
)  # fmt: skip
from tests.zoo import loaded
from workbench.compression.compressed import compress
from workbench.methods.prune._emptied import Emptied, beside, emptied, without
from workbench.methods.prune.l1_filter import L1Filter
from workbench.network.couplings import couplings
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step


def emptied_state(model: Model, channels, columns: bool) -> State:
    """Without these channels; `columns`: whether the weights that meet them go, too."""
    state = State.of(model)
    decisions = emptied(channels, [layer.name for layer in model.layers])
    kept = {
        name: without(state.forms[name], what if columns else Emptied(what.rows)) for name, what in decisions.items()
    }
    return state.with_forms(kept).with_rest(beside(model.rest, decisions.values()))


def half(model: Model):
    """Every other channel of each cluster."""
    return [channel for cluster in couplings(model).clusters for channel in cluster[::2]]


def assert_empty_everywhere(model: Model) -> None:
    x = torch.rand(3, *model.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        met, unmet = (emptied_state(model, half(model), columns).module()(x) for columns in (True, False))
        assert torch.allclose(met, unmet, rtol=1e-5, atol=1e-5 * float(unmet.abs().max()))
        assert not torch.allclose(met, model.module(x))  # something was taken away


class Twice(nn.Module):
    """cat([x, x]), pixel shuffle, one output, max pooling."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(12, 8, 1)
        self.up, self.one, self.head = nn.PixelShuffle(2), nn.Conv2d(2, 1, 1), nn.Linear(64, 3)

    def forward(self, x):
        x = F.relu(self.a(x))
        x = self.b(torch.cat([x, x], 1))
        return self.head(F.max_pool2d(self.one(self.up(x)), 2).flatten(1))


@pytest.mark.parametrize("module", [Residual, Shuffled, Twice, Attending, AttendingInOne, AttendingFused, OneHead,
                                    OneHeadInOne, SharedKeys])  # fmt: skip
def test_odd_networks(module):
    assert_empty_everywhere(model_of(module(), getattr(module, "shape", IMAGE)))


@pytest.mark.parametrize("name", ["lenet-5/mnist", "resnet-8/fashion-mnist", "mobilenet-v2/fashion-mnist",
                                  "squeezenet/fashion-mnist"])  # fmt: skip
def test_the_zoo(name):
    assert_empty_everywhere(loaded(name))


def test_what_is_coupled_to_what():
    found = couplings(model_of(Residual()))
    assert [sorted({name for name, _ in cluster[0].rows}) for cluster in found.clusters] == [["b", "stem"], ["a"]]
    stem = found.clusters[0][2]
    assert set(stem.rows) == {("stem", 2), ("b", 2)}
    assert set(stem.beside) == {("stem.bias", 2), ("b.bias", 2), ("bn.weight", 2), ("bn.bias", 2)}
    assert set(stem.columns) == {("a", 0, 8, 2), ("head", 0, 3, 2)}
    assert found.reasons == {"head": "has outputs that cannot be emptied: the first gives the network's answers"}

    shuffled = couplings(model_of(Shuffled()))
    together = {frozenset(name for name, _ in channel.rows) for cluster in shuffled.clusters for channel in cluster}
    assert together == {frozenset({"a", "depth"}), frozenset({"grouped"}), frozenset({"b"})}
    first = next(channel for cluster in shuffled.clusters for channel in cluster if ("a", 1) in channel.rows)
    assert set(first.columns) == {("grouped", 0, 4, 2)}  # channel 1 stands third after the shuffle of 2 x 4

    twice = couplings(model_of(Twice()))
    assert {("b", 0, 8, 3), ("b", 0, 8, 9)} <= set(twice.clusters[0][3].columns)
    assert [len(cluster) for cluster in twice.clusters] == [6, 1]
    assert "b" in twice.reasons and "mixed with other channels" in twice.reasons["b"]  # of pixel shuffle


@pytest.mark.parametrize("module", [Attending, AttendingInOne, AttendingFused])
def test_a_head_goes_with_its_queries_keys_and_values(module):
    found = couplings(model_of(module(), module.shape))
    heads, outputs = found.clusters
    assert len(heads) == 4 and [channel.rows for channel in outputs] == [(("o", row),) for row in range(16)]
    for head, channel in enumerate(heads):
        of_each = range(4 * head, 4 * head + 4)
        if module is AttendingFused:
            assert set(channel.rows) == {("qkv", 16 * which + row) for which in range(3) for row in of_each}
        else:
            assert set(channel.rows) == {(name, row) for name in "qkv" for row in of_each}
        assert channel.columns == tuple(("o", 0, 16, column) for column in of_each)
    assert found.reasons == {"head": "has outputs that cannot be emptied: the first gives the network's answers"}


@pytest.mark.parametrize("module", [OneHead, OneHeadInOne])
def test_of_one_head_alone_queries_go_with_their_keys_and_values_by_themselves(module):
    found = couplings(model_of(module(), module.shape))
    coupled = [sorted(channel.rows) for cluster in found.clusters for channel in cluster]
    assert all([("k", index), ("q", index)] in coupled and [("v", index)] in coupled for index in range(16))
    values = next(channel for cluster in found.clusters for channel in cluster if channel.rows == (("v", 6),))
    assert values.columns == (("o", 0, 16, 6),)


def test_heads_that_share_their_keys_lose_the_same_channels():
    """No head of them goes alone, since its keys are those of the others."""
    found = couplings(model_of(SharedKeys(), SharedKeys.shape))
    assert [len(cluster) for cluster in found.clusters] == [4, 4, 16]
    assert set(found.clusters[0][1].rows) == {("k", 1), *(("q", 4 * head + 1) for head in range(4))}
    assert set(found.clusters[1][1].columns) == {("o", 0, 16, 4 * head + 1) for head in range(4)}


class Mixed(nn.Module):
    """Products in which a channel is no axis of its own: of channels with each other, and with a vector."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.vector = nn.Parameter(torch.zeros(16))

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        return self.head(a.transpose(1, 2) @ a).mean(1) + (b @ self.vector).mean(1, keepdim=True)


class InTorchsModule(nn.Module):
    shape = (1, 5, 16)

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(16, 16), nn.Linear(16, 3)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x):
        x = self.embed(x)
        return self.head((x + self.attention(x, x, x, need_weights=False)[0]).mean(1))


def test_torchs_own_attention_keeps_its_heads_and_each_layer_says_why():
    found = couplings(model_of(InTorchsModule(), InTorchsModule.shape))
    assert found.clusters == () and "goes through MultiheadAttention" in found.reasons["embed"]
    for name in ("attention.in_proj_weight", "attention.out_proj"):
        assert "is multiplied by MultiheadAttention itself" in found.reasons[name]


def test_products_that_mix_channels_leave_them_alone():
    found = couplings(model_of(Mixed(), (1, 5, 16)))
    assert found.clusters == () and {"a", "b"} <= set(found.reasons)


@pytest.mark.parametrize(
    ("between", "why"),
    [
        (nn.Sigmoid(), "goes through Sigmoid, which need not keep zero"),
        (nn.BatchNorm2d(5, affine=False), "goes through BatchNorm2d, which need not keep zero"),
        (nn.Softmax(1), "goes through Softmax"),
    ],
)
def test_what_does_not_stay_zero_is_left_alone_and_said(between, why):
    model = model_of(nn.Sequential(nn.Conv2d(4, 5, 1), between, nn.Flatten(), nn.Linear(320, 3)))
    found = couplings(model)
    assert found.clusters == () and why in found.reasons["0"]
    notes = compress(model, Recipe((Step(L1Filter(share=0.5)),))).notes
    assert any(note.layer == "0" and why in note.text for note in notes)


def test_a_graph_that_cannot_be_followed_is_said():
    class Deciding(nn.Sequential):
        def forward(self, x):
            return super().forward(x if x.sum() > 0 else -x)

    found = couplings(model_of(Deciding(nn.Conv2d(4, 5, 1), nn.Flatten(), nn.Linear(320, 3))))
    assert found.clusters == () and "cannot be followed (TraceError in Deciding.forward, line" in found.reasons["0"]
    assert "return super().forward(x if x.sum() > 0 else -x)" in found.reasons["0"]


class OfEachImage(nn.Sequential):
    def forward(self, x):
        return torch.cat([super(OfEachImage, self).forward(image[None]) for image in x])


class ScaledByBatch(nn.Sequential):
    def forward(self, x):
        return super().forward(x / math.sqrt(len(x)))


class ScaledByLargest(nn.Sequential):
    """The noise that it is recorded with has the same largest value, rounded up, whatever the number of images."""

    def forward(self, x):
        return super().forward(x * math.ceil(x.max().item()))


class ScaledByCount(nn.Sequential):
    def forward(self, x):
        return super().forward(x * (1 + len(x[x > 2])))


@pytest.mark.parametrize("module", [OfEachImage, ScaledByBatch, ScaledByLargest, ScaledByCount])
def test_what_python_makes_of_images_is_not_recorded(module):
    found = couplings(model_of(module(nn.Conv2d(4, 5, 1), nn.Flatten(), nn.Linear(320, 3))))
    assert found.clusters == () and f"{module.__name__}.forward, line" in found.reasons["0"]


def test_logits_are_those_of_the_network_whose_maps_are_zeroed_after_batch_norm_and_activation():
    """Li et al.'s check, on ResNet-8: with β ≠ 0 a mask on the filters alone is another network."""
    model = loaded("resnet-8/fashion-mnist")
    compressed = compress(model, Recipe((Step(L1Filter(share=0.4), ("stack1.conv1", "stack2.conv1")),)))
    x = model.data.split("test").inputs(slice(100))
    naive, masked = State.of(model).module(), State.of(model).module()
    for stack in ("stack1", "stack2"):
        rows = np.flatnonzero(~compressed.forms[f"{stack}.conv1"].compose().any((1, 2, 3))).tolist()
        layer = model.layer(f"{stack}.conv1")
        assert len(rows) == round(0.4 * layer.shape[0])
        sums = np.abs(layer.weight).sum((1, 2, 3))
        assert set(rows) == set(np.argsort(sums)[: len(rows)].tolist())

        def zeroed(_, inputs, output, rows=rows):
            output[:, rows] = 0
            return output

        naive.get_submodule(f"{stack}.relu1").register_forward_hook(zeroed)
        masked.get_submodule(f"{stack}.conv1").weight[rows] = 0
    with torch.inference_mode():
        found, expected = compressed.to_torch()(x), naive(x)
        assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
        assert not torch.allclose(masked(x), expected, atol=1e-2)


def test_weights_and_operations_fall_by_the_analytic_amount():
    model = loaded("lenet-5/mnist")
    report = workbench.assess(compress(model, Recipe((Step(L1Filter(share=0.5)),))), images=100)
    weights = {"conv1": 10 * 25, "conv2": 25 * 10 * 25, "fc1": 250 * 25 * 16, "fc2": 10 * 250}
    assert {row.name: row.nonzeros for row in report.layers} == weights
    positions = {"conv1": 24 * 24, "conv2": 8 * 8, "fc1": 1, "fc2": 1}
    assert report.compressed.effective_macs == sum(weights[name] * positions[name] for name in weights)
    assert report.compressed.size.value < 0.3 * report.original.size.value


def test_recording_leaves_the_models_own_module_as_it_is_beside_other_threads() -> None:
    model = loaded("lenet-5/mnist")
    kinds = [type(one) for one in model.module.modules()]
    seen = []
    threads = [Thread(target=lambda: seen.append(couplings(model).reasons)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert [type(one) for one in model.module.modules()] == kinds
    assert len(seen) == 4 and all(reasons == seen[0] for reasons in seen)


class Limited(nn.Module):
    """The limits of a function's own."""

    def __init__(self, low: float) -> None:
        super().__init__()
        self.low = low

    def forward(self, x):
        return F.hardtanh(x, self.low, 1.0)


@pytest.mark.parametrize(
    ("between", "named"),
    [
        (nn.Hardtanh(-1, 1), False),
        (nn.Hardtanh(0.5, 1), True),
        (Limited(-1.0), False),
        (Limited(0.5), True),
        (nn.PReLU(8), False),  # which takes no other number of channels
    ],
)
def test_an_activation_with_limits_or_weights_of_its_own_need_not_keep_zero(between, named) -> None:
    module = nn.Sequential(nn.Conv2d(1, 8, 3), between, nn.Conv2d(8, 2, 3))
    assert ("0" in couplings(Model.from_module(module, torch.zeros(1, 1, 8, 8))).reasons) == named
