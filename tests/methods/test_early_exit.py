"""Early exits: who leaves where, what that saves, and that nobody is run any further."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from workbench.accuracy.examiner import Examiner
from workbench.accuracy.exits import macs_by_exit
from workbench.accuracy.order import class_balanced_order
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.assessment import assess
from workbench.methods.conditional.early_exit import EarlyExit
from workbench.methods.quantize.uniform import Uniform
from workbench.models.exits import Exit, taken
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.train.loop import Settings, fit

EXIT, WHOLE = 470_500, 2_475_500  # MACs: 288,000 + 180,000 + 2,500; and 1,600,000 + 400,000 + 5,000 after that


@pytest.fixture(scope="module")
def model() -> Model:
    return workbench.load("branchy-lenet/mnist")


def leaving(model: Model, threshold: float, *steps: Step):
    return compress(model, Recipe((*steps, Step(EarlyExit(threshold=threshold)))))


def mean(compressed, images: int | None = None):
    *_, standing = Examiner().accuracies(compressed, images)
    return standing.work, standing.compressed


def test_at_zero_all_go_all_the_way_and_at_the_highest_entropy_all_leave(model):
    x = model.data.split("test").inputs(slice(500))
    trunk = model.module.exit
    with torch.inference_mode():
        early = trunk.side(model.module.pool1(model.module.conv1(model.module.normalize(x))))
        late = trunk.rest(model.module.pool1(model.module.conv1(model.module.normalize(x))))
        assert torch.equal(leaving(model, 0.0).to_torch()(x), late)
        assert torch.equal(leaving(model, math.log(10)).to_torch()(x), early)
    assert macs_by_exit(leaving(model, 1.0)) == [EXIT, WHOLE]
    assert mean(leaving(model, 0.0), 500)[0].value == WHOLE
    assert mean(leaving(model, math.log(10)), 500)[0].value == EXIT


def test_the_mean_is_the_shares_times_the_costs_of_one_image_at_a_time(model):
    """A naive pass: the branch, its entropy, and the rest for those that stay."""
    threshold, images = 0.2, 300
    work, accuracy = mean(leaving(model, threshold), images)
    chosen = class_balanced_order(model.data.split("test").labels)[:images]
    right, spent = 0, []
    with torch.inference_mode():
        for image in chosen:
            x = model.data.split("test").inputs(slice(int(image), int(image) + 1))
            x = model.module.pool1(model.module.conv1(model.module.normalize(x)))
            scores = model.module.exit.side(x)
            y = F.softmax(scores.double(), 1)[0].tolist()
            sure = -sum(share * math.log(share) for share in y if share > 0) < threshold
            spent.append(EXIT if sure else WHOLE)
            scores = scores if sure else model.module.exit.rest(x)
            right += int(scores.argmax()) == int(model.data.split("test").labels[image])
    assert 0 < spent.count(WHOLE) < images
    assert accuracy.value == right / images
    assert work.value == pytest.approx(np.mean(spent), rel=1e-12)
    half = 1.96 * np.std(spent, ddof=1) / math.sqrt(images)
    assert (work.low, work.high) == (
        pytest.approx(work.value - half, rel=1e-3),
        pytest.approx(work.value + half, rel=1e-3),
    )
    assert sum(work.split.values()) == pytest.approx(work.value)


def test_most_leave_at_the_exit_and_hardly_an_answer_is_lost(model):
    """Catalogue CC-01: 80 % or more leave, 0.3 points are lost at most, and half of the operations or more saved."""
    work, accuracy = mean(leaving(model, 0.3))
    *_, before = Examiner().accuracies(compress(model, Recipe()))
    assert work.split["exit 1"] / EXIT >= 0.8
    assert accuracy.value >= before.compressed.value - 0.003
    assert work.high <= WHOLE / 2
    assert (work.badge, before.work.badge, before.work.value) == ("simulated", "measured", WHOLE)


def test_more_leave_the_higher_the_threshold(model):
    means = [mean(leaving(model, threshold), 1000)[0].value for threshold in (0.0, 0.01, 0.1, 0.5, 1.5, 2.3)]
    assert means == sorted(means, reverse=True) and means[0] > means[2] > means[4]


def test_what_comes_after_an_exit_is_not_run_for_an_image_that_left(model):
    compressed = leaving(model, 0.3, Step(Uniform(bits=4)))
    for network in (compressed.to_torch(), compressed.packed()):
        calls = []
        network.get_submodule("exit.rest.fc1").register_forward_hook(lambda _, x, y, calls=calls: calls.append(len(y)))
        gone = []
        with torch.inference_mode():
            for image in model.data.split("test").inputs(slice(100)).split(1):
                network(image)
                gone.append(int(taken(network, 1)))
        assert calls == [1] * sum(gone) and 0 < sum(gone) < 30  # 1: all the way


def test_an_image_that_leaves_is_answered_sooner(model):
    all_leave = assess(leaving(model, math.log(10)), images=100, latency=True)
    assert all_leave.compressed.latency.median < 0.8 * all_leave.original.latency.median
    assert all(row.latency.median > 0 for row in all_leave.layers)  # those after the exit, too


def test_the_file_holds_the_threshold_and_is_run_with_its_exits(model, tmp_path):
    compressed = leaving(model, 0.25, Step(Uniform(bits=6)))
    path = compressed.save(tmp_path / "net.cwb")
    assert path.stat().st_size == compressed.size.value
    back = workbench.read(path)
    assert back.model.rest["exit.threshold"] == np.float32(0.25)
    report, again = assess(compressed, images=1000), assess(back, images=1000)
    assert again.compressed.accuracy == report.compressed.accuracy
    assert again.compressed.costs["mean_macs"] == report.compressed.costs["mean_macs"]
    assert "MACs on average" in report.table() and report.to_dict()["compressed"]["mean_macs"]["low"] < WHOLE / 2
    x = model.data.split("test").inputs(slice(300))
    with torch.inference_mode():
        assert torch.equal(back.to_torch()(x), compressed.to_torch()(x))
        assert torch.allclose(back.packed()(x), compressed.to_torch()(x), atol=1e-3)


def test_a_session_follows_the_threshold(model):
    session = workbench.Session(model, images=500)
    try:
        session.wait(60)
        assert session.report.compressed.costs["mean_macs"].value == WHOLE
        for threshold in (0.3, math.log(10), 0.3):
            session.recipe = Recipe((Step(EarlyExit(threshold=threshold)),))
            session.wait(60)
            assert session.report.compressed.costs["mean_macs"] == mean(leaving(model, threshold), 500)[0]
            assert session.report.compressed.macs == WHOLE
    finally:
        session.close()


def test_evidence_is_that_of_images_that_go_all_the_way(model):
    before, after = (
        Calibration(compress(model, Recipe(steps)), str(len(steps)))
        for steps in ((), (Step(EarlyExit(threshold=2.0)),))
    )
    for layer in ("exit.side.fc", "exit.rest.fc1"):
        np.testing.assert_array_equal(before.inputs(layer).counts, after.inputs(layer).counts)
        np.testing.assert_array_equal(before.importances(layer), after.importances(layer))


def test_a_network_without_exits_is_left_alone_and_that_is_said():
    plain = workbench.load("lenet-5/mnist")
    compressed = compress(plain, Recipe((Step(EarlyExit()),)))
    assert compressed.model is plain
    assert {note.layer for note in compressed.notes} == {layer.name for layer in plain.layers}
    assert assess(compressed, images=100).compressed.costs.get("mean_macs") is None


class Twice(nn.Module):
    """An exit in the rest of an exit."""

    def __init__(self):
        super().__init__()
        inner = Exit(nn.Sequential(nn.Linear(6, 4)), nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)))
        self.first = Exit(nn.Sequential(nn.Linear(6, 4)), nn.Sequential(nn.Linear(6, 6), nn.ReLU(), inner))

    def forward(self, x):
        return self.first(x.flatten(1))


def test_exits_one_in_the_rest_of_another_have_thresholds_of_their_own():
    torch.manual_seed(0)
    own = Model.from_module(Twice(), torch.zeros(1, 6))
    assert own.thresholds == {"first.side.0": "first.threshold", "first.rest.2.side.0": "first.rest.2.threshold"}
    step = Step(EarlyExit(threshold=1.2), None, {"first.rest.2.side.0": {"threshold": 1.3}})
    network = compress(own, Recipe((step,))).to_torch()
    x = 2 * torch.randn(200, 6)
    with torch.inference_mode():
        scores, went = network(x), taken(network, 200)
        for image, exit in zip(x, went.tolist(), strict=True):
            network(image[None])
            assert int(taken(network, 1)) == exit
    assert np.bincount(went, minlength=3).min() > 3
    assert scores.shape == (200, 4)


def test_all_exits_learn_from_the_sum_of_their_losses():
    network = Twice()
    images, labels = np.random.default_rng(0).normal(size=(256, 1, 1, 6)).astype(np.float32), np.arange(256) % 4
    images += np.eye(6, dtype=np.float32)[labels][:, None, None] * 4
    data = Dataset.from_arrays("own", test=(images, labels), train=(images, labels))
    settings = Settings(epochs=8, batch=32, optimiser="adamw", learning_rate=0.02, warmup=0.1)
    first, *_, last = [epoch.loss for epoch in fit(network, data.split("train"), data.split("test"), settings)]
    assert first > 2 > last  # three losses of ln 4 each at the beginning
    x = torch.from_numpy(images).flatten(1)
    with torch.inference_mode():
        for side in (
            network.first.side(x),
            network.first.rest[2].side(network.first.rest[1](network.first.rest[0](x))),
        ):
            assert (side.argmax(1).numpy() == labels).mean() > 0.9
    assert State.of(Model.from_module(network, x[:1])).module() is not network
