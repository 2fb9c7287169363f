"""Neural correlation: coefficients beside numpy's, what rescaling does to them, sparse networks from denser ones."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from workbench.calibration import correlations
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.errors import RecipeError
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.correlation import Correlation
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.prune.retrained_correlation import RetrainedCorrelation
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy

RNG = np.random.default_rng(0)


def noisy(module: nn.Module, *shape: int) -> Model:
    images, labels = RNG.random((20, *shape), np.float32), np.arange(20) % 3
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    return Model.from_module(module.eval(), torch.zeros(1, *shape), data)


def naive(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """[rows, columns] of [images, columns, positions] and [images, rows, positions]: mean |r|, one pair at a time."""
    found = np.zeros((z.shape[1], x.shape[1], x.shape[2]))
    for row, column, position in np.ndindex(*found.shape):
        pair = x[:, column, position], z[:, row, position]
        if all(one.std() > 1e-6 for one in pair):
            found[row, column, position] = abs(np.corrcoef(*pair)[0, 1])
    return found.mean(2)


class Twice(nn.Module):
    """A layer that is called twice, at three positions."""

    def __init__(self) -> None:
        super().__init__()
        self.again, self.last = nn.Linear(5, 5), nn.Linear(15, 3)

    def forward(self, x):
        return self.last(self.again(torch.relu(self.again(x))).flatten(1))


def test_coefficients_are_those_of_each_pair_over_images_and_a_mean_over_positions(monkeypatch):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 2, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 1, groups=2),
        nn.ReLU(), nn.Flatten(), nn.Linear(54, 3),
    )  # fmt: skip
    model = noisy(module, 2, 4, 4)
    images = model.data.split("calibration").inputs()
    with torch.no_grad():
        first = module[0](images)
        unrolled = nn.functional.unfold(images, 2, padding=1, stride=2)
        after = torch.relu(module[1](first))
        second = module[3](after)
        last = after[:, :2].flatten(2), after[:, 2:].flatten(2)
        flat = torch.relu(second).flatten(1)
        scores = module[6](flat)
    expected = {
        "0": naive(unrolled.numpy(), first.flatten(2).numpy()),
        "3": np.concatenate([
            naive(x.numpy(), second[:, rows].flatten(2).numpy())
            for x, rows in zip(last, (slice(3), slice(3, 6)), strict=True)
        ]),
        "6": naive(flat[..., None].numpy(), scores[..., None].numpy()),
    }  # fmt: skip
    for at_once in (2**24, 40):  # all positions of a layer together, and one after the other
        monkeypatch.setattr(correlations, "_AT_ONCE", at_once)
        evidence = Calibration(State.of(model), f"correlations {at_once}")
        for name, coefficients in expected.items():
            found = evidence.correlations(name)
            np.testing.assert_allclose(found.reshape(coefficients.shape), coefficients, rtol=1e-4, atol=1e-6)


def test_calls_of_one_layer_are_positions_more():
    torch.manual_seed(0)
    model = noisy(Twice(), 3, 5)
    x, again = model.data.split("calibration").inputs(), model.module.again
    with torch.no_grad():
        middle = again(x)
        entering, leaving = torch.cat([x, torch.relu(middle)], 1), torch.cat([middle, again(torch.relu(middle))], 1)
    expected = naive(*(one.transpose(1, 2).numpy() for one in (entering, leaving)))
    found = Calibration(State.of(model), "twice").correlations("again")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_neuron_whose_size_moves_into_the_next_layer_keeps_its_scores_and_not_its_magnitudes():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3))
    scaled = copy.deepcopy(plain)
    with torch.no_grad():
        factors = torch.tensor([100.0, 10, 5, 2, 1, 0.5, 0.1, 0.01])
        scaled[0].weight *= factors[:, None]
        scaled[0].bias *= factors
        scaled[2].weight /= factors
    images = RNG.random((20, 9), np.float32), np.arange(20) % 3
    data = Dataset.from_arrays("noise", test=images, calibration=images)
    models = [Model.from_module(module, torch.zeros(1, 9), data) for module in (plain, scaled)]
    torch.testing.assert_close(*(model.module(torch.from_numpy(images[0])) for model in models))
    for name in ("0", "2"):
        scores = [Calibration(State.of(model), model.digest).correlations(name) for model in models]
        np.testing.assert_allclose(*scores, rtol=1e-4)
    for method, alike in ((Correlation(sparsity=0.5, scope="global"), True), (Magnitude(sparsity=0.5), False)):
        zeros = [compress(model, Recipe((Step(method),))).forms["0"].compose() == 0 for model in models]
        assert np.array_equal(*zeros) == alike


@pytest.mark.parametrize("scope", ["global", "layer", "output"])
def test_the_strongest_stay(scope):
    torch.manual_seed(0)
    model = noisy(nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3)), 20)
    evidence = Calibration(State.of(model), "strongest")
    strength = {layer.name: evidence.correlations(layer.name) for layer in model.layers}
    forms = compress(model, Recipe((Step(Correlation(sparsity=0.6, scope=scope)),))).forms
    pairs = {name: (strength[name], forms[name].compose() == 0) for name in strength}
    if scope == "global":
        competing = [tuple(np.concatenate([one[side].ravel() for one in pairs.values()]) for side in (0, 1))]
    elif scope == "layer":
        competing = [(found.ravel(), gone.ravel()) for found, gone in pairs.values()]
    else:
        competing = [rows for one in pairs.values() for rows in zip(*one, strict=True)]
    for found, gone in competing:
        assert gone.sum() == round(0.6 * gone.size)
        assert found[gone].max() <= found[~gone].min()


def test_factors_have_no_scores():
    torch.manual_seed(0)
    model = noisy(nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3)), 20)
    for method in (Correlation(sparsity=0.5), RetrainedCorrelation(sparsity=0.5)):
        with pytest.raises(RecipeError, match="'0'.* product of matrices"):
            compress(model, Recipe((Step(SVD(rank=0.3), ("0",)), Step(method, ("0",)))))


def clouds(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around one of six centres, and which."""
    centres = np.random.default_rng(0).normal(0, 1, (6, 12))
    random = np.random.default_rng(seed)
    labels = random.integers(0, 6, count)
    return (centres[labels] + random.normal(0, 0.7, (count, 12))).astype(np.float32), labels


def test_a_layer_a_round_from_the_top_is_sparsified_and_all_are_trained_on(tmp_path, monkeypatch):
    names = ("train", "validation", "calibration", "test")
    data = Dataset.from_arrays("clouds", **{name: clouds(300, seed) for seed, name in enumerate(names, 1)})
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 6))
    TrainingCourse(data, lambda found: None).fit(module, epochs=30, learning_rate=5e-3, seed=0)
    model = Model.from_module(module, torch.zeros(1, 12), data)
    rounds: list[dict[str, np.ndarray]] = []
    fit = TrainingCourse.fit

    def watched(self, trained, **settings):
        weights = {name: trained.get_parameter(f"{name}.weight") for name in ("0", "2", "4")}
        rounds.append({name: weight.detach().numpy().copy() for name, weight in weights.items()})
        fit(self, trained, **settings)

    monkeypatch.setattr(TrainingCourse, "fit", watched)
    compressed = train(model, Recipe((Step(RetrainedCorrelation(sparsity=0.75, epochs=20)),)), Store(tmp_path))
    assert [[round(float((one[name] == 0).mean()), 2) for name in ("0", "2", "4")] for one in rounds] == [
        [0.0, 0.0, 0.75], [0.0, 0.75, 0.75], [0.75, 0.75, 0.75],
    ]  # fmt: skip
    for layer in model.layers:
        last = compressed.forms[layer.name].compose()
        np.testing.assert_array_equal(last == 0, rounds[2][layer.name] == 0)
        assert not np.array_equal(rounds[0][layer.name], rounds[2][layer.name])  # all were trained in between
    np.testing.assert_array_equal(rounds[0]["0"], model.layers[0].weight)  # the denser network's
    preview = compress(model, Recipe((Step(Correlation(sparsity=0.75)),)))
    assert len(compressed.previews) == 0
    scores = [accuracy(found.to_torch(), data.split("test")) for found in (compressed, preview)]
    assert scores[0] > scores[1]
