"""Discrimination-aware channel pruning: its greedy choice beside a twin, a planted channel, and linear probes."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.errors import RecipeError
from workbench.methods.prune._discrimination import Choice, Probed, losing
from workbench.methods.prune._meetings import meetings
from workbench.methods.prune.discrimination_aware import DiscriminationAware
from workbench.methods.prune.l1_filter import L1Filter
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store

RNG = np.random.default_rng(0)


def chosen(module: nn.Sequential, stay: int, discrimination: float, images: torch.Tensor, labels: torch.Tensor):
    """Which channels of the first layer stay, by the rows of the second one that are met, one a round; and the loss."""
    model = Model.from_module(module, images[:1])
    (cluster, *_) = Calibration(State.of(model), "original").channels().clusters
    whole, network = State.of(model).module(), State.of(model).module()
    probed = Probed(network, (), (), images[:1], seed=0)
    met = [(one, network.get_parameter(f"{one.layer}.weight")) for one in meetings(cluster)]
    with losing(probed, whole, [one.layer for one, _ in met], None, images, labels, discrimination) as loss:
        found = Choice(len(cluster), stay, met, loss).greedy(range(stay), stay, 0.0)
        left = float(loss().detach())
    return found, left, network


def pursuit(columns: np.ndarray, weight: np.ndarray, stay: int) -> tuple[list[int], float]:
    """columns [samples, channels, k], weight [channels, k, outputs]: those chosen, and ½ mean (O − O_b)² at the end.

    Group orthogonal matching pursuit: the channel comes whose part of the gradient is largest, then least squares.
    """
    wanted = np.einsum("sck,cko->so", columns, weight)
    found: list[int] = []
    residual = -wanted
    for _ in range(stay):
        gradient = np.einsum("sck,so->cko", columns, residual)
        norms = np.linalg.norm(gradient.reshape(len(weight), -1), axis=1)
        norms[found] = -1
        found.append(int(norms.argmax()))
        some = columns[:, found].reshape(len(columns), -1)
        residual = some @ np.linalg.lstsq(some, wanted, rcond=None)[0] - wanted
    return sorted(found), float(np.square(residual).mean() / 2)


def test_without_discrimination_the_channels_are_those_of_a_reconstruction_alone():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 10, 3), nn.ReLU(), nn.Conv2d(10, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3)
    ).eval()
    images, labels = torch.from_numpy(RNG.standard_normal((20, 1, 8, 8)).astype(np.float32)), torch.arange(20) % 3
    with torch.no_grad():
        unfolded = nn.functional.unfold(module[:2](images), 3)
    columns = unfolded.transpose(1, 2).reshape(-1, 10, 9).double().numpy()
    weight = module[2].weight.detach().double().reshape(6, 10, 9).permute(1, 2, 0).numpy()
    for stay in (2, 6):
        expected, lost = pursuit(columns, weight, stay)
        found, left, _ = chosen(module, stay, 0.0, images, labels)
        assert found == expected
        assert lost <= left * (1 + 1e-3) and left < 1.5 * lost


def planted() -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    """8 units, of which the fourth, of the smallest filter, alone tells the class; the others only move both scores."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    labels = torch.arange(200) % 2
    images = torch.from_numpy(RNG.standard_normal((200, 8)).astype(np.float32))
    images[:, 3] = 10.0 * labels
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(8) * 2)
        module[0].weight[3, 3] = 0.2
        module[0].bias.zero_()
        module[2].weight.fill_(1.0)
        module[2].weight[:, 3] = torch.tensor([-0.5, 0.5])
        module[2].bias.copy_(torch.tensor([0.5, -0.5]))
    return module.eval(), images, labels


def test_a_planted_channel_of_small_norm_that_alone_carries_the_class_stays():
    module, images, labels = planted()
    with torch.no_grad():
        assert (module(images).argmax(1) == labels).all()
    norms = module[0].weight.detach().abs().sum(1)
    assert norms.argmin() == 3
    cut = compress(Model.from_module(module, images[:1]), Recipe((Step(L1Filter(share=0.5)),)))
    assert not cut.forms["0"].parts[0].alive[0][3]
    found, _, network = chosen(module, 4, 10.0, images, labels)
    assert 3 in found
    with torch.no_grad():
        assert (network(images).argmax(1) == labels).all()
    assert 3 not in chosen(module, 4, 0.0, images, labels)[0]  # reconstruction alone does without it


def network(task: str = "classification") -> Model:
    """Two convolutions and a layer of 12 units, on images whose quarters say what they are of."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 6, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 12), nn.ReLU(), nn.Linear(12, 4),
    )  # fmt: skip
    labels = np.arange(256) % 4
    images = RNG.standard_normal((256, 1, 8, 8)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, 4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 1.5
    truth = labels if task == "classification" else np.stack([labels] * 4, 1).astype(np.float32)
    splits = dict.fromkeys(("train", "validation", "calibration", "test"), (images, truth))
    return Model.from_module(
        module.eval(), torch.zeros(1, 1, 8, 8), Dataset.from_arrays("quarters", **splits, task=task)
    )


def test_the_share_goes_with_all_that_meets_it_and_the_rest_is_trained(tmp_path):
    model = network()
    method = DiscriminationAware(share=0.5, additions=2, images=64, epochs=8, tuning=8)
    trained = train(model, Recipe((Step(method),)), Store(tmp_path))
    alive = {name: form.parts[0].alive for name, form in trained.forms.items()}
    assert [int(alive[name][0].sum()) for name in ("0", "3", "7", "9")] == [4, 3, 6, 4]
    assert (alive["3"][1] == alive["0"][0]).all() and (alive["9"][1] == alive["7"][0]).all()
    for tensor, layer in (("0.bias", "0"), ("1.weight", "0"), ("1.bias", "0"), ("3.bias", "3"), ("7.bias", "7")):
        assert not trained.model.rest[tensor][~alive[layer][0]].any()
    x, labels = model.data.split("test").inputs(), model.data.split("test").targets()
    slim = trained.to_torch(slim=True)
    assert slim.get_submodule("7").weight.shape == (6, 27)
    torch.testing.assert_close(slim(x), trained.to_torch()(x), rtol=1e-5, atol=1e-5)
    assert (trained.to_torch()(x).argmax(1) == labels).float().mean() > 0.9


def test_classifiers_stand_evenly_among_the_layers_whose_channels_compete():
    state = State.of(network())
    competing = Calibration(state, "network").channels().clusters
    for number, expected in ((1, {"3": 1}), (2, {"1": 0, "3": 1}), (5, {"1": 0, "3": 1, "7": 2})):
        assert DiscriminationAware(classifiers=number)._points(state, competing) == expected
    x = state.model.data.split("train").inputs(slice(5))
    probed = Probed(state.module(), ["1", "7"], ["7", "9"], x[:1], seed=3)
    expected = probed.network[:3](x).mean((2, 3))  # behind the batch norm and a ReLU
    probed(x)
    head = probed._heads[0]
    torch.testing.assert_close(probed.scores("1"), head(expected))
    torch.testing.assert_close(probed.scores("7"), probed._heads[1](probed.network[:9](x)))


def test_choosing_ends_where_a_round_changes_little(tmp_path):
    model = network()
    kept = []
    for tolerance in (0.0, 1.0):  # no round changes L by more than it was
        method = DiscriminationAware(share=0.25, additions=3, tolerance=tolerance, images=64, tuning=1)
        trained = train(model, Recipe((Step(method),)), Store(tmp_path))
        kept.append([int(trained.forms[name].parts[0].alive[0].sum()) for name in ("0", "3", "7")])
    assert kept == [[6, 4, 9], [2, 1, 3]]


def test_cancelled_while_channels_are_chosen_nothing_is_kept(tmp_path):
    seen = []
    stopped = train(
        network(),
        Recipe((Step(DiscriminationAware(images=64)),)),
        Store(tmp_path),
        progress=lambda title, found: seen.append(found),
        cancelled=lambda: bool(seen),
    )
    assert len(seen) == 1 and stopped.previews == ("Discrimination-aware channel pruning",)
    assert not list(tmp_path.glob("*.cwb"))


def test_a_network_that_tells_no_classes_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="Sequential tells no classes, which channels are chosen by"):
        train(network("locating"), Recipe((Step(DiscriminationAware()),)), Store(tmp_path))


def probe(features: torch.Tensor, labels: torch.Tensor, judged: torch.Tensor, truth: torch.Tensor) -> float:
    """The share of `judged` that a linear classifier of `features` [images, features] answers rightly."""
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    x, y = (features - mean) / deviation, (judged - mean) / deviation
    weight = torch.zeros(10, x.shape[1], requires_grad=True)
    bias = torch.zeros(10, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(x @ weight.T + bias, labels) + 1e-3 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(((y @ weight.T + bias).argmax(1) == truth).float().mean())


@pytest.mark.slow
def test_the_channels_that_stay_tell_classes_better_than_those_of_largest_norm(record_property, tmp_path):
    """Catalogue PR-20: half of the 50 maps of LeNet-5's second convolution, pooled, linear probes on what they show."""
    model = workbench.load("lenet-5/mnist")
    train_split, judged = model.data.split("train"), model.data.split("validation")
    images, labels = train_split.inputs(slice(3000)), train_split.targets()[:3000]
    with torch.inference_mode():
        module = State.of(model).module()
        seen: list[torch.Tensor] = []
        module.fc1.register_forward_pre_hook(lambda _, x: seen.append(x[0].reshape(len(x[0]), 50, 16)))
        module(images), module(judged.inputs())
    maps, shown = (one.mean(2).clone() for one in seen)
    cut = compress(model, Recipe((Step(L1Filter(share=0.5), ("conv2",)),))).forms["conv2"].parts[0].alive[0]
    found = {"L1": [probe(maps[:, cut], labels, shown[:, cut], judged.targets())]}
    for seed in range(3):
        recipe = Recipe((Step(DiscriminationAware(additions=25, seed=seed), ("conv2",)),))
        stays = train(model, recipe, Store(tmp_path)).forms["conv2"].parts[0].alive[0]
        assert stays.sum() == cut.sum() == 25 and (stays != cut).any()
        found.setdefault("DCP", []).append(probe(maps[:, stays], labels, shown[:, stays], judged.targets()))
    for name, shares in found.items():
        record_property(f"PR-20, probe of {name}", " ".join(f"{100 * one:.2f}%" for one in shares))
    assert min(found["DCP"]) > found["L1"][0]
