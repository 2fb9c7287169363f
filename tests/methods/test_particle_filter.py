"""Masks found by a particle filter: strided ones leave a smaller product, and the search beside brute force."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.errors import RecipeError
from workbench.methods.prune._particles import Strides, Subsets, resampled, searched
from workbench.methods.prune.particle_filter import ParticleFilter
from workbench.methods.prune.retrained_particle_filter import RetrainedParticleFilter
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> Model:
    """Three convolutions, the second of 12 kernels, on images whose labels are the network's own answers."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(), nn.Flatten(), nn.Linear(54, 6),
    ).eval()  # fmt: skip
    images = RNG.standard_normal((120, 1, 10, 10)).astype(np.float32)
    with torch.no_grad():
        scores = module(torch.from_numpy(images))
        module[-1].bias -= scores.mean(0)  # or hardly more than one class would be answered
        labels = module(torch.from_numpy(images)).argmax(1).numpy()
    data = Dataset.from_arrays(
        "noise", **dict.fromkeys(("test", "calibration", "train", "validation"), (images, labels))
    )
    return Model.from_module(module, torch.zeros(1, 1, 10, 10), data)


def weight(model: Model, method: ParticleFilter, layer: str) -> np.ndarray:
    return compress(model, Recipe((Step(method, (layer,)),))).forms[layer].compose()


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_a_stride_and_an_offset_that_kernels_share_leave_a_smaller_product_of_the_unrolled_input(model, share):
    kernel = weight(model, ParticleFilter(share=share, granularity="strided", searches=1, particles=4), "4")
    stays = kernel.any(0).reshape(4, 9)
    assert (kernel != 0).sum() == 6 * stays.sum()  # the same of all kernels that read one map
    for row in stays:
        places = np.flatnonzero(row)
        stride = places[1] - places[0] if len(places) > 1 else 9
        assert places[0] < stride and (places == np.arange(places[0], 9, stride)).all()
    assert 4 <= stays.sum() <= max(4, round((1 - share) * 36))
    x = torch.from_numpy(RNG.standard_normal((5, 4, 6, 6)))
    columns = F.unfold(x, 3, padding=1, stride=2)[:, stays.ravel()]
    dense = torch.from_numpy(kernel.reshape(6, 36)[:, stays.ravel()]).double()
    assert columns.shape[1] == dense.shape[1] == stays.sum() < 36
    masked = F.conv2d(x, torch.from_numpy(kernel).double(), padding=1, stride=2)
    torch.testing.assert_close((dense @ columns).reshape(masked.shape), masked, rtol=1e-12, atol=1e-12)


def test_strided_masks_use_what_may_stay_and_all_of_them_can_be_met():
    """A kernel of 4 entries has 10 strides and offsets, some of which are the same; 5 entries may stay of two."""
    space, random = Strides(maps=2, entries=4, left=5), np.random.default_rng(0)
    assert len(space.patterns) == 1 + 2 + 3 + 4
    rows = {tuple(np.arange(4)[pattern]) for pattern in space.patterns}
    assert rows == {(0, 1, 2, 3), (0, 2), (1, 3), (0, 3), (0,), (1,), (2,), (3,)}
    met, particle = set(), space.drawn(random)
    for _ in range(2000):
        particle = space.moved(particle, random)
        met.add(space.stays(particle).tobytes())
        assert space.stays(particle).sum() in (4, 5) and space.stays(particle).any(1).all()
    wanted = {(one, other) for one in rows for other in rows if len(one) + len(other) in (4, 5)}
    wanted -= {(one, other) for one, other in wanted if len(one) + len(other) == 4 and 1 in (len(one), len(other))}
    assert len(met) == len(wanted)


def test_particles_are_resampled_in_proportion_to_their_likelihood():
    """Kitagawa 1996: each as often as its share of Σ exp(−wrong), rounded down or up."""
    wrong, random = [3.0, 5.0, 2.5, 4.0, 3.5, 40.0], np.random.default_rng(0)
    share = np.exp(-np.array(wrong)) / np.exp(-np.array(wrong)).sum()
    found = np.array([np.bincount(resampled(wrong, random), minlength=6) for _ in range(2000)])
    assert (np.abs(found - 6 * share) < 1).all() and not found[:, 5].any()
    np.testing.assert_allclose(found.mean(0), 6 * share, atol=0.05)


def brute_force(model: Model, going: int) -> dict[tuple[int, ...], int]:
    """Of each mask of so many of the 12 kernels, how many images it costs."""
    layers, split = model.module, model.data.split("calibration")
    labels, costs = split.targets(), {}
    with torch.inference_mode():
        x = layers[:2](split.inputs())
        for gone in combinations(range(12), going):
            kept = layers[2].weight.clone()
            kept.view(12, 9)[list(gone)] = 0
            y = layers[3:](F.conv2d(x, kept, layers[2].bias))
            costs[gone] = int((y.argmax(1) != labels).sum())
    return costs


def test_the_optimum_of_brute_force_is_reached_in_nine_of_ten_searches(model):
    costs = brute_force(model, 4)
    found = [
        searched(Subsets(12, 4), costs.__getitem__, 20, range(8), np.random.default_rng(seed)) for seed in range(10)
    ]
    assert sum(costs[one] == min(costs.values()) for one in found) >= 9
    kernel = weight(
        model, ParticleFilter(share=1 / 3, granularity="kernels", particles=20, searches=8, sample=120), "2"
    )
    gone = np.flatnonzero(~kernel.reshape(12, 9).any(1))
    assert len(gone) == 4 and costs[tuple(gone.tolist())] == min(costs.values())


def test_maps_go_with_all_that_meets_them_and_the_wrong_answers_are_those_of_the_cut_network(model):
    method = ParticleFilter(share=0.5, sample=120)
    compressed = compress(model, Recipe((Step(method),)))
    alive = {name: form.parts[0].alive for name, form in compressed.forms.items()}
    assert [int((~alive[name][0]).sum()) for name in ("0", "2", "4", "7")] == [2, 2, 3, 0]
    assert not compressed.model.rest["2.bias"][~alive["2"][0]].any()
    assert (alive["2"][1] == alive["0"][0]).all() and (alive["4"][1] == alive["2"][0]).all()
    split = model.data.split("calibration")
    answers = compressed.to_torch()(split.inputs()).argmax(1)
    wrong = int((answers != split.targets()).sum())
    evidence = Calibration(State.of(model), "original")
    decisions = method.settle(State.of(model).forms, evidence)
    forms = {name: method.compress(form, decisions[name]) for name, form in State.of(model).forms.items()}
    zero = [entry for decision in decisions.values() for entry in decision.beside]
    assert evidence.wrong(forms, zero, 1000) == wrong
    assert evidence.wrong({}, (), 120) == 0 < wrong


@pytest.mark.parametrize("granularity", ["kernels", "strided"])
def test_only_convolutions_have_kernels(model, granularity):
    step = Step(ParticleFilter(share=0.5, granularity=granularity), ("7",))
    with pytest.raises(RecipeError, match="layer '7': it is no convolution, so it has no kernels"):
        compress(model, Recipe((step,)))


@pytest.mark.parametrize("granularity", ["maps", "kernels", "strided"])
def test_retraining_wins_answers_back_and_what_went_stays_gone(model, granularity, tmp_path):
    method = RetrainedParticleFilter(share=0.5, granularity=granularity, searches=2, epochs=15)
    trained = train(model, Recipe((Step(method),)), Store(tmp_path))
    cut = compress(model, Recipe((Step(method.stand_in()),)))
    for name, form in cut.forms.items():
        assert not trained.forms[name].compose()[form.compose() == 0].any()
    x, y = model.data.split("test").inputs(), model.data.split("test").targets()
    right, before = (int((one.to_torch()(x).argmax(1) == y).sum()) for one in (trained, cut))
    assert right > before
    if granularity == "maps":
        slim = trained.to_torch(slim=True)
        assert slim.get_submodule("7").weight.shape == (6, 27)
        torch.testing.assert_close(slim(x), trained.to_torch()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_on_a_larger_layer_particles_beat_as_many_random_masks_on_average(record_property):
    """Catalogue PR-05: 45 of the 50 maps of LeNet-5's second convolution go, judged by validation images.

    That holds on average and of two of three seeds, not of each: what is best on 300 calibration images need not be on
    others. Where less goes chance decides: without 70 % the best masks of either leave 0 to 3 of 500 images wrong.
    """
    model = workbench.load("lenet-5/mnist")
    judged, found = model.judged_by("validation"), {}
    for name, particles, rounds in (("particles", 20, 10), ("random", 200, 1)):
        accuracies = []
        for seed in range(3):
            method = ParticleFilter(share=0.9, particles=particles, searches=rounds, sample=300, seed=seed)
            report = workbench.assess(compress(judged, Recipe((Step(method, ("conv2",)),))))
            accuracies.append(report.compressed.accuracy.value)
        found[name] = accuracies
        record_property(f"PR-05, {name}", " ".join(f"{100 * one:.2f}%" for one in accuracies))
    pairs = list(zip(found["particles"], found["random"], strict=True))
    assert sum(one > other for one, other in pairs) >= 2 and sum(one - other for one, other in pairs) > 0.03
