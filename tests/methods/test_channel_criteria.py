"""Criteria that rank channels: each beside what its paper says of it, on networks that were made for it."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import DataError
from workbench.method import METHODS, Layerwise
from workbench.methods.prune.activation import Activation
from workbench.methods.prune.geometric_median import GeometricMedian
from workbench.methods.prune.group_wise import GroupWise
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.minimum_weight import MinimumWeight
from workbench.methods.prune.mutual_information import MutualInformation, information
from workbench.methods.prune.propagated import Propagated, infinite
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.weights.form import Form

RNG = np.random.default_rng(0)
CRITERIA = (L1Filter, MinimumWeight, GeometricMedian, Activation, MutualInformation, Propagated)


def scores(method, filters: np.ndarray) -> np.ndarray:
    return method.scores("layer", Form.of(filters.astype(np.float32)), None)


def convolutional(task: str = "classification") -> Model:
    """Two convolutions with batch norm, one of whose maps is dead, on 80 images of noise in 4 classes."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4),
    )  # fmt: skip
    module[1].running_mean.uniform_(-0.2, 0.2)
    module[1].running_var.uniform_(0.5, 2)
    module[1].weight.data.uniform_(-1, 1)
    module[1].weight.data[2], module[1].bias.data[2] = 0, -1
    images, labels = RNG.random((80, 1, 8, 8), np.float32), np.arange(80) % 4
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    return Model.from_module(module.eval(), torch.zeros(1, 1, 8, 8), data)


@pytest.mark.parametrize("method", CRITERIA, ids=lambda method: method.name)
def test_the_lowest_of_every_layer_go_or_those_of_the_network_and_nothing_of_them_is_left(method):
    model = convolutional()
    state = State.of(model)
    evidence = Calibration(state, "original")
    found = {name: method().scores(name, state.forms[name], evidence) for name in ("0", "4")}
    for name, count in (("0", 3), ("4", 4)):
        rows = compress(model, Recipe((Step(method(share=0.5)),))).forms[name].parts[0].alive[0]
        assert set(np.flatnonzero(~rows)) == set(np.argsort(found[name], kind="stable")[:count])
    together = [
        (score / np.linalg.norm(found[name]), name, row) for name in found for row, score in enumerate(found[name])
    ]
    expected = {(name, row) for _, name, row in sorted(together)[:7]}
    compressed = compress(model, Recipe((Step(method(share=0.5, scope="network")),)))
    gone = {(name, row) for name in found for row in np.flatnonzero(~compressed.forms[name].parts[0].alive[0])}
    assert gone == expected
    x = model.data.split("test").inputs()
    slim = compressed.to_torch(slim=True)
    assert slim.get_submodule("4").weight.shape[0] == compressed.forms["4"].parts[0].alive[0].sum()
    torch.testing.assert_close(slim(x), compressed.to_torch()(x), rtol=1e-5, atol=1e-5)


def test_copies_of_a_filter_go_before_a_small_one_that_stands_alone():
    """FPGM, figure 1 and section 3.3: what the others can stand in for goes, not what is small."""
    filters = RNG.standard_normal((8, 3, 3, 3)) + 3
    filters[2] = filters[5] = filters[6]
    filters[1] *= 0.01
    order = np.argsort(scores(GeometricMedian(), filters))
    assert set(order[:3]) == {2, 5, 6}
    assert np.argmin(scores(L1Filter(), filters)) == 1
    moved = np.argsort(scores(GeometricMedian(), filters + RNG.standard_normal((1, 3, 3, 3))))
    assert order[3:].tolist() == moved[3:].tolist()


def test_minimum_weight_is_the_order_of_norms_and_a_mean_a_weight():
    filters = RNG.standard_normal((20, 4, 3, 3))
    found = scores(MinimumWeight(), filters)
    np.testing.assert_allclose(found, np.linalg.norm(filters.reshape(20, -1), axis=1) ** 2 / 36, rtol=1e-6)


@pytest.mark.parametrize("measure", ["mean", "deviation"])
def test_a_map_that_never_responds_scores_nothing_and_takes_nothing_with_it(measure):
    model = convolutional()
    method = Activation(share=0.17, measure=measure)
    found = method.scores("0", model.layers[0].form, Calibration(State.of(model), "original"))
    assert found[2] == 0 < found.max()
    compressed = compress(model, Recipe((Step(method, ("0",)),)))
    assert np.flatnonzero(~compressed.forms["0"].parts[0].alive[0]).tolist() == [2]
    x = model.data.split("test").inputs()
    torch.testing.assert_close(compressed.to_torch()(x), model.module(x), rtol=0, atol=1e-6)


def test_responses_are_means_of_what_is_above_zero_behind_the_batch_norm():
    model = convolutional()
    x = model.data.split("calibration").inputs()
    expected = model.module[:3](x).mean((2, 3)).detach().numpy()
    np.testing.assert_allclose(Calibration(State.of(model), "original").responses("0"), expected, rtol=1e-5, atol=1e-7)


def test_what_says_nothing_scores_nothing_and_the_label_itself_all_there_is():
    labels = RNG.integers(0, 10, 1000)
    counts = np.bincount(labels) / 1000
    everything = -(counts * np.log(counts)).sum() + 9 / 2000  # Miller and Madow
    assert information(labels.astype(float), labels, 16) == pytest.approx(everything, rel=1e-12)
    assert information(3.0 - 2.0 * labels, labels, 16) == pytest.approx(everything, rel=1e-12)
    assert information(np.ones(1000), labels, 16) == pytest.approx(0, abs=1e-12)
    noise = [information(RNG.random(1000), labels, 16) for _ in range(40)]
    assert abs(np.mean(noise)) < 0.01  # without the correction (16 - 1) · (10 - 1) / 2,000 = 0.07


def test_labels_are_asked_for_where_there_are_none():
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    points = RNG.random((20, 4)).astype(np.float32)
    images = RNG.random((20, 6)).astype(np.float32)
    data = Dataset.from_arrays("places", test=(images, points), calibration=(images, points), task="locating")
    model = Model.from_module(module, torch.zeros(1, 6), data)
    with pytest.raises(DataError, match="places has no labels of classes"):
        compress(model, Recipe((Step(MutualInformation(share=0.5)),)))


def test_scores_are_handed_back_through_absolute_weights():
    """NISP, equation 16, and theorem 1: of a linear network the product of the absolute matrices."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    model = Model.from_module(module, torch.zeros(1, 7))
    evidence = Calibration(State.of(model), "a perceptron")
    second, third = (np.abs(module[place].weight.detach().double().numpy()) for place in (2, 4))
    np.testing.assert_allclose(evidence.propagated("4"), np.ones(3))
    np.testing.assert_allclose(evidence.propagated("2"), third.sum(0), rtol=1e-12)
    np.testing.assert_allclose(evidence.propagated("0"), second.T @ third.sum(0), rtol=1e-12)


def test_convolutions_batch_norm_and_pooling_hand_scores_on_as_the_matrices_that_they_are():
    model = convolutional()
    module = model.module
    last = np.abs(module[7].weight.detach().double().numpy()).sum(0).reshape(8, 2, 2)
    expected = last.sum((1, 2))
    evidence = Calibration(State.of(model), "convolutional")
    np.testing.assert_allclose(evidence.propagated("4"), expected, rtol=1e-10)
    kernels = np.abs(module[4].weight.detach().double().numpy())
    before = np.zeros((6, 4, 4))  # a map of conv 4's input, to which each output hands its score by each weight
    for out in range(8):
        for y in range(2):
            for x in range(2):
                before[:, y : y + 3, x : x + 3] += kernels[out] * last[out, y, x]
    np.testing.assert_allclose(evidence.propagated("0"), before.sum((1, 2)), rtol=1e-10)


def test_scores_of_a_network_that_ships_are_those_of_its_matrices_whatever_it_does_to_images_first():
    """Its images are centred, so that some of what enters its first layer is below zero."""
    model = workbench.load("lenet-300-100/mnist")
    second, third = (np.abs(layer.weight.astype(np.float64)) for layer in model.layers[1:])
    found = Calibration(State.of(model), "propagated").propagated("fc1")
    np.testing.assert_allclose(found, second.T @ third.sum(0), rtol=1e-10)


class Parallel(nn.Module):
    """Two layers that read the images."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.last = nn.Linear(7, 6), nn.Linear(7, 6), nn.Linear(12, 3)

    def forward(self, x):
        return self.last(torch.cat([torch.relu(self.one(x)), torch.relu(self.other(x))], 1))


def test_scores_reach_every_layer_that_reads_the_images():
    torch.manual_seed(0)
    model = Model.from_module(Parallel(), torch.zeros(1, 7))
    last = np.abs(model.layer("last").weight.astype(np.float64)).sum(0)
    evidence = Calibration(State.of(model), "parallel")
    np.testing.assert_allclose(np.r_[evidence.propagated("one"), evidence.propagated("other")], last, rtol=1e-12)


def test_an_activation_that_gives_something_for_nothing_hands_scores_on_too():
    torch.manual_seed(0)
    model = Model.from_module(nn.Sequential(nn.Linear(7, 6), nn.Sigmoid(), nn.Linear(6, 3)), torch.zeros(1, 7))
    second = np.abs(model.layers[1].weight.astype(np.float64))
    found = Calibration(State.of(model), "sigmoid").propagated("0")
    np.testing.assert_allclose(found, second.sum(0) / 4, rtol=1e-4)  # its slope at 0


def test_an_activation_with_a_ceiling_hides_no_score():
    """Behind ReLU6 after ReLU6, in a network whose sums grow from layer to layer."""
    model = workbench.load("mobilenet-v2/fashion-mnist")
    evidence = Calibration(State.of(model), "ceilings")
    assert all((evidence.propagated(layer.name) > 0).any() for layer in model.layers)


def test_layers_of_a_side_exit_score_by_its_answers_and_what_both_branches_meet_by_both():
    """B-LeNet: a maximum over 2 × 2 hands a score to one place, so a map's is the sum of its columns."""
    model = workbench.load("branchy-lenet/mnist")
    weights = {layer.name.rpartition(".")[2]: np.abs(layer.weight.astype(np.float64)) for layer in model.layers}
    evidence = Calibration(State.of(model), "exits")
    np.testing.assert_allclose(evidence.propagated("exit.side.fc"), np.ones(10))
    side = weights["fc"].sum(0).reshape(10, 25).sum(1)
    np.testing.assert_allclose(evidence.propagated("exit.side.conv"), side, rtol=1e-9)
    units = weights["fc2"].sum(0)
    maps = (weights["fc1"].T @ units).reshape(50, 16).sum(1)
    np.testing.assert_allclose(evidence.propagated("exit.rest.conv2"), maps, rtol=1e-9)
    both = maps @ weights["conv2"].sum((2, 3)) + side @ weights["conv"].sum((2, 3))
    np.testing.assert_allclose(evidence.propagated("conv1"), both, rtol=1e-9)
    emptied = compress(model, Recipe((Step(Propagated(share=0.5)),)))
    dead = {name: ~form.parts[0].alive[0] for name, form in emptied.forms.items()}
    assert [int(rows.sum()) for rows in dead.values()] == [10, 5, 0, 25, 250, 0]
    for name in ("exit.side.conv", "exit.rest.conv2"):  # both meet the maps of the first
        np.testing.assert_array_equal(~emptied.forms[name].parts[0].alive[1], dead["conv1"])


def test_final_responses_are_ranked_by_all_paths_through_the_graph_of_features():
    """Inf-FS: the series of powers, added up term by term, of a graph that is built pair by pair."""
    responses = np.maximum(RNG.standard_normal((40, 6)) + RNG.standard_normal((40, 1)), 0) * [1, 2, 3, 0.1, 1, 0]
    sizes = responses.std(0)
    scaled = (sizes - sizes.min()) / (sizes.max() - sizes.min())
    graph = np.zeros((6, 6))
    for one, other in np.ndindex(6, 6):
        varies = sizes[one] > 0 and sizes[other] > 0
        alike = abs(spearmanr(responses[:, one], responses[:, other]).statistic) if varies else 1.0
        graph[one, other] = 0.3 * max(scaled[one], scaled[other]) + 0.7 * (1 - alike)
    step = 0.9 / np.abs(np.linalg.eigvals(graph)).max() * graph
    expected, term = np.zeros(6), np.ones(6)
    for _ in range(400):
        term = step @ term
        expected += term
    np.testing.assert_allclose(infinite(responses, 0.3), expected, rtol=1e-8)
    np.testing.assert_array_equal(infinite(np.ones((40, 3)), 0.3), np.ones(3))


def test_scores_of_ranked_responses_are_handed_back_as_those_of_answers_are():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    images, labels = RNG.random((30, 7), np.float32), np.arange(30) % 3
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    model = Model.from_module(module, torch.zeros(1, 7), data)
    entering = module[:4](torch.from_numpy(images)).detach().double().numpy()
    last = infinite(entering, 0.5)
    evidence, method = Calibration(State.of(model), "ranked"), Propagated(final="ranked")
    np.testing.assert_allclose(method.scores("2", model.layers[1].form, evidence), last, rtol=1e-5)
    second = np.abs(module[2].weight.detach().double().numpy())
    np.testing.assert_allclose(method.scores("0", model.layers[0].form, evidence), second.T @ last, rtol=1e-5)


def test_ranked_responses_of_a_convolution_are_means_of_its_channels():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images, labels = RNG.random((30, 1, 6, 6), np.float32), np.arange(30) % 4
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    model = Model.from_module(module, torch.zeros(1, 1, 6, 6), data)
    evidence = Calibration(State.of(model), "ranked maps")
    entering = module[:2](torch.from_numpy(images)).detach().double().numpy()
    (found,) = evidence.final_responses().values()
    np.testing.assert_allclose(found, entering.mean((2, 3)), rtol=1e-5)
    scores = Propagated(final="ranked").scores("0", model.layers[0].form, evidence)
    np.testing.assert_allclose(scores, 16 * infinite(entering.mean((2, 3)), 0.5), rtol=1e-5)  # at each of 16 places


@pytest.mark.parametrize("groups", [1, 2])
def test_columns_of_the_unrolled_image_go_with_the_smallest_groups(groups):
    """Group-wise brain damage, section 3: the thinner product gives what the masked convolution gives."""
    weights = RNG.standard_normal((6, 4, 3, 3)).astype(np.float32)
    after = GroupWise(share=0.4).apply({"layer": Form.of(weights)})["layer"].compose()
    norms = np.square(weights.reshape(6, 36)).sum(0)
    kept = np.sort(np.argsort(norms)[round(0.4 * 36) :])
    assert np.flatnonzero(after.reshape(6, 36).any(0)).tolist() == kept.tolist()
    assert np.count_nonzero(after) == 6 * kept.size  # multiplications fall by just that share
    x = torch.from_numpy(RNG.standard_normal((2, 4 * groups, 7, 7)).astype(np.float32))
    masked = torch.nn.functional.conv2d(x, torch.from_numpy(after), groups=groups)
    for group in range(groups):
        unrolled = torch.nn.functional.unfold(x[:, 4 * group : 4 * group + 4], 3)[:, kept]
        rows = slice(group * 6 // groups, (group + 1) * 6 // groups)
        thin = torch.from_numpy(weights.reshape(6, 36)[rows][:, kept]) @ unrolled
        torch.testing.assert_close(masked[:, rows].flatten(2), thin, rtol=1e-5, atol=1e-5)


def test_what_a_criterion_inherits_is_known_without_importing_it():
    for method in CRITERIA:
        facts = METHODS.facts(method.name)
        assert (facts["base"], facts["faithful"]) == ("Calibrated", False)
        assert facts.get("images", True) == method.images
    assert METHODS.facts("prune.magnitude")["base"] == Layerwise.__name__
