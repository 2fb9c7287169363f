"""Channels that go while the others make up for them: least squares beside numpy's, brute force, planted copies."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.methods.factorize.tucker import Tucker
from workbench.methods.prune._meetings import contributions, gram, meetings, standing_in
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.merging import Merging
from workbench.methods.prune.reduce_and_reuse import ReduceAndReuse
from workbench.methods.prune.thi_net import ThiNet, greedy
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step

RNG = np.random.default_rng(0)
METHODS = (ThiNet, ReduceAndReuse, Merging)


@pytest.fixture(scope="module")
def model() -> Model:
    """10 channels that a padded convolution meets, 8 that a linear layer meets at 9 places each."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 10, 3, padding=1), nn.BatchNorm2d(10), nn.ReLU(), nn.Conv2d(10, 8, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 5),
    )  # fmt: skip
    images, labels = RNG.random((60, 1, 6, 6), np.float32), np.arange(60) % 5
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    return Model.from_module(module.eval(), torch.zeros(1, 1, 6, 6), data)


def entering(model: Model, layer: str) -> torch.Tensor:
    found: list[torch.Tensor] = []
    module = State.of(model).module()
    module.get_submodule(layer).register_forward_pre_hook(lambda _, x: found.append(x[0]))
    with torch.inference_mode():
        module(model.data.split("calibration").inputs())
    return found[0].double()


def met(model: Model, number: int):
    """(how the channels of a cluster are met, the form of the layer that meets them, evidence)."""
    evidence = Calibration(State.of(model), "original")
    (meeting,) = meetings(evidence.channels().clusters[number])
    return meeting, State.of(model).forms[meeting.layer], evidence


def test_contributions_are_those_of_each_channel_to_each_output(model):
    """ThiNet, equation 3: the sum over one channel's window, for every output, position and image."""
    x, weight = entering(model, "3"), model.module[3].weight.detach().double()
    by_channel = torch.stack([nn.functional.conv2d(x[:, [c]], weight[:, [c]], padding=1) for c in range(10)])
    flat = by_channel.transpose(1, 2).reshape(10, 8, -1).numpy()
    expected = np.einsum("aop,bop->ab", flat, flat) / flat.shape[2]
    np.testing.assert_allclose(contributions(*met(model, 0)), expected, rtol=1e-5, atol=1e-12)
    x, weight = entering(model, "7").reshape(60, 8, 9), model.module[7].weight.detach().double().reshape(5, 8, 9)
    flat = torch.einsum("ncp,ocp->con", x, weight).numpy()
    expected = np.einsum("aon,bon->ab", flat, flat) / 60
    np.testing.assert_allclose(contributions(*met(model, 1)), expected, rtol=1e-5, atol=1e-12)


def test_a_greedy_choice_is_never_below_the_best_of_all_and_below_the_median_of_random_ones(model):
    squares = contributions(*met(model, 0))
    for count in (2, 5, 8):
        errors = sorted(squares[np.ix_(gone, gone)].sum() for gone in combinations(range(10), count))
        gone = greedy(squares, count)
        assert len(set(gone)) == count
        assert errors[0] - 1e-12 <= squares[np.ix_(gone, gone)].sum() < errors[len(errors) // 2]


def test_its_choice_costs_the_next_layer_less_than_that_of_the_smallest_filters():
    """Catalogue PR-14, of LeNet-5's second convolution, half of whose inputs go: the sums' mean squared change."""
    model = workbench.load("lenet-5/mnist")
    evidence = Calibration(State.of(model), "original")
    cluster = evidence.channels().clusters[0]
    (meeting,) = meetings(cluster)
    squares = contributions(meeting, State.of(model).forms[meeting.layer], evidence)
    count = len(cluster) // 2
    (first, _) = cluster[0].rows[0]
    smallest = np.argsort(np.abs(model.layer(first).weight).sum((1, 2, 3)))[:count]
    cost = {
        name: squares[np.ix_(gone, gone)].sum() for name, gone in (("l1", smallest), ("thinet", greedy(squares, count)))
    }
    assert cost["thinet"] < 0.9 * cost["l1"]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_stays_gives_sums_nearer_to_those_before_than_without_making_up(model, method):
    """The last layer's sums, by its columns as they became and as they were; nothing is done at a share of 0."""
    compressed = compress(model, Recipe((Step(method(share=0.4)),)))
    alive = compressed.forms["3"].parts[0].alive[0]
    assert 0 < alive.sum() < 8 and not compressed.model.rest["3.bias"][~alive].any()
    x, before = entering(model, "7"), model.module[7].weight.detach().double()
    kept = x * torch.from_numpy(np.repeat(alive, 9))
    made_up = kept @ torch.from_numpy(compressed.forms["7"].compose()).double().T
    assert (made_up - x @ before.T).square().mean() < (kept @ before.T - x @ before.T).square().mean()
    slim = compressed.to_torch(slim=True)
    assert slim.get_submodule("7").weight.shape == (5, 9 * alive.sum())
    x = model.data.split("test").inputs()
    torch.testing.assert_close(slim(x), compressed.to_torch()(x), rtol=1e-5, atol=1e-5)
    untouched = compress(model, Recipe((Step(method(share=0.0)),)))
    assert all(untouched.forms[layer.name].compose().tobytes() == layer.weight.tobytes() for layer in model.layers)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_layer_of_several_factors_makes_up_for_what_it_meets_as_well(model, method):
    factored = Step(Tucker(rank=0.6), ("3",))
    compressed = compress(model, Recipe((factored, Step(method(share=0.4)))))
    before, form = compress(model, Recipe((factored,))).forms["3"].compose(), compressed.forms["3"]
    alive = compressed.forms["0"].parts[0].alive[0]
    assert len(form.parts) == 3 and 0 < alive.sum() < 10 and not form.compose()[:, ~alive].any()
    x, rows = entering(model, "3"), form.parts[-1].alive[0]
    sums, made_up, left = (
        nn.functional.conv2d(x, torch.from_numpy(weight).double(), padding=1)[:, rows]
        for weight in (before, form.compose(), before * alive.reshape(1, -1, 1, 1))
    )
    assert (made_up - sums).square().mean() < 1.05 * (left - sums).square().mean()


def test_the_scales_of_thinet_are_those_of_least_squares(model):
    gone = [1, 4, 5]
    x, weight = entering(model, "3"), model.module[3].weight.detach().double()
    by_channel = torch.stack([nn.functional.conv2d(x[:, [c]], weight[:, [c]], padding=1) for c in range(10)])
    columns = by_channel.reshape(10, -1).numpy().T
    kept = [place for place in range(10) if place not in gone]
    expected = np.linalg.lstsq(columns[:, kept], columns.sum(1), rcond=None)[0]
    meeting, form, evidence = met(model, 0)
    found = ThiNet().matrix(meeting, form, gone, evidence)
    np.testing.assert_allclose(found[kept], np.diag(expected), rtol=1e-4, atol=1e-6)
    assert not found[gone].any()


def test_stand_ins_are_those_of_least_squares(model):
    """A of Polyak and Wolf, over every window that the next layer sees."""
    meeting, form, evidence = met(model, 1)
    maps = entering(model, "7").reshape(60, 8, 9).transpose(0, 1).reshape(8, -1).numpy()
    gone, kept = [2, 6], [0, 1, 3, 4, 5, 7]
    expected = np.linalg.lstsq(maps[kept].T, maps[gone].T, rcond=None)[0].T
    np.testing.assert_allclose(standing_in(gram(meeting, form, evidence), gone, kept), expected, rtol=1e-4, atol=1e-6)


def test_planted_copies_are_found_and_merged_into_their_twins():
    """One filter of the first convolution three times, once doubled, and one unit of the linear layer twice."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 9), nn.ReLU(),
        nn.Linear(9, 3),
    )  # fmt: skip
    with torch.no_grad():
        for layer in (0, 2, 5):
            module[layer].bias.fill_(0.5)  # nothing is dead
        for layer, twin, place, scale in ((0, 1, 3, 1.0), (0, 1, 5, 2.0), (5, 0, 7, 1.0)):
            module[layer].weight[place] = scale * module[layer].weight[twin]
            module[layer].bias[place] = scale * module[layer].bias[twin]
    images, labels = RNG.random((200, 1, 6, 6), np.float32), np.arange(200) % 3
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    model = Model.from_module(module, torch.zeros(1, 1, 6, 6), data)
    compressed = compress(model, Recipe((Step(Merging(share=3 / 19)),)))
    gone = {name: set(np.flatnonzero(~form.parts[0].alive[0])) for name, form in compressed.forms.items()}
    copies = {1, 3, 5}
    assert gone["0"] < copies and len(gone["0"]) == 2 and not gone["2"]
    assert len(gone["5"]) == 1 and gone["5"] < {0, 7}
    x = torch.from_numpy(RNG.random((50, 1, 6, 6), np.float32))
    torch.testing.assert_close(compressed.to_torch(slim=True)(x), module(x), rtol=1e-5, atol=1e-5)


def test_merged_networks_answer_better_than_cut_ones_at_one_number_of_channels():
    """No training: catalogue PR-26 and PR-06, on the network that ships."""
    model = workbench.load("lenet-5/mnist")
    found = {}
    for method in (L1Filter(share=0.5), ThiNet(share=0.5), ReduceAndReuse(share=0.5), Merging(share=0.5)):
        compressed = compress(model, Recipe((Step(method),)))
        found[type(method)] = workbench.assess(compressed, images=1000).compressed.accuracy.value
    assert found[Merging] > found[L1Filter] and found[ReduceAndReuse] > found[L1Filter]
