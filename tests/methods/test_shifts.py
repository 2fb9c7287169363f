"""Powers of two per filter: sums of so many shifts, thresholds, the greedy map, and what training makes of each."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from tests.zoo import loaded
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize._shifts import rounded
from workbench.methods.quantize.compact_net import CompactNet
from workbench.methods.quantize.fewest_shifts import FewestShifts
from workbench.methods.quantize.flight_nn import FLightNN, Gated
from workbench.methods.quantize.light_nn import LightNN
from workbench.methods.quantize.shifts_per_filter import ShiftsPerFilter
from workbench.methods.quantize.trained_light_nn import TrainedLightNN
from workbench.network.arrangement import AS_IT_IS
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy
from workbench.weights.form import Form
from workbench.weights.levels.powers_of_two import PowersOfTwo
from workbench.weights.levels.powers_per_filter import PowersPerFilter

WEIGHTS = np.random.default_rng(0).normal(0, 0.3, (12, 40)).astype(np.float32)
WEIGHTS[3, :20] = 0


def shifted(threshold: float, terms: int = 2, weights: np.ndarray = WEIGHTS) -> Form:
    return ShiftsPerFilter(terms=terms, threshold=threshold).apply({"a": Form.of(weights)})["a"]


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_no_threshold_is_light_nn_and_a_large_one_leaves_nothing(terms):
    """Catalogue QU-09."""
    plain = LightNN(terms=terms).apply({"a": Form.of(WEIGHTS)})["a"]
    np.testing.assert_array_equal(shifted(0.0, terms).compose(), plain.compose())
    assert not shifted(4.0, terms).compose().any()


def test_the_mean_number_of_shifts_falls_in_the_threshold_and_filters_differ():
    means, differ = [], False
    for threshold in np.linspace(0, 1.5, 61):
        terms = shifted(float(threshold), 3).parts[0].levels.terms
        means.append(terms.mean())
        differ |= np.unique(terms).size > 1
    assert all(more >= less for more, less in itertools.pairwise(means)) and differ
    assert means[0] == 3 and means[-1] < 1


def test_shifts_and_additions_of_whole_numbers_give_the_floats():
    """Of 8-bit inputs: x << n for each term, no multiplication; exact, the terms an odd lot of a filter's own."""
    form = rounded(Form.of(WEIGHTS), [np.tile(np.arange(4, dtype=np.uint8), 3)])
    part, x = form.parts[0], np.random.default_rng(1).integers(-128, 128, 40)
    levels = part.levels
    assert isinstance(levels, PowersPerFilter)
    fields, sums = iter(part.codes), []
    for terms in levels.terms:
        total = 0
        for _ in range(terms):
            for number, code in zip(x.tolist(), next(fields).tolist(), strict=True):
                if code:
                    shift = 14 - (code - 1) // 2  # of 2^(top − 14)
                    total += -(number << shift) if (code - 1) % 2 else number << shift
        sums.append(total * 2.0 ** (levels.top - 14))
    np.testing.assert_array_equal(part.values.astype(np.float64) @ x, sums)


def test_how_many_shifts_each_filter_has_is_in_the_file_and_its_bytes(tmp_path):
    model = loaded("lenet-5/mnist")
    compressed = compress(model, Recipe((Step(Magnitude(0.3)), Step(ShiftsPerFilter(terms=3, threshold=0.1)))))
    for layer in model.layers:
        part = compressed.forms[layer.name].parts[0]
        codes = int(part.levels.terms.sum()) * part.values[0].size
        assert part.codes.size == codes and part.levels.table_bytes == -(-layer.shape[0] * 2 // 8)
    path = compressed.save(tmp_path / "net.cwb")
    assert path.stat().st_size == compressed.size.value
    back = workbench.read(path)
    for name, form in compressed.forms.items():
        assert back.forms[name].compose().tobytes() == form.compose().tobytes()
        np.testing.assert_array_equal(back.forms[name].parts[0].levels.terms, form.parts[0].levels.terms)


@pytest.fixture(scope="module")
def model() -> Model:
    """Clouds told apart by six filters, to be lowered, and a last layer."""
    random = np.random.default_rng(0)
    labels = np.arange(600) % 5
    images = (random.standard_normal((5, 8))[labels] + 0.8 * random.standard_normal((600, 8))).astype(np.float32)
    data = Dataset.from_arrays(
        "clouds", **dict.fromkeys(("train", "validation", "calibration", "test"), (images, labels))
    )
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5))
    TrainingCourse(data, lambda found: None).fit(module, epochs=15, learning_rate=1e-2, seed=0)
    return Model.from_module(module, torch.zeros(1, 8), data)


@pytest.mark.parametrize("more", [0, 3, 12])
def test_the_greedy_map_beside_all_sixty_four(model, more, record_property):
    """Catalogue QU-08: six filters of one or two terms; the limit is kept, and the excess over the cheapest is told."""
    evidence, form = Calibration(State.of(model), "greedy"), State.of(model).forms["0"]
    count = len(model.data.split("calibration"))
    limit = evidence.wrong({}, (), 1000) + more
    method = FewestShifts(terms=2, wrong=more)
    found = method.compress(form, method.settle({"0": form}, evidence)["0"])
    terms = found.parts[0].levels.terms
    assert set(terms.tolist()) <= {1, 2} and count == 600
    wrong = {
        chosen: evidence.wrong({"0": rounded(form, [np.array(chosen, np.uint8)])}, (), 1000)
        for chosen in itertools.product((1, 2), repeat=6)
    }
    within = [sum(chosen) for chosen, number in wrong.items() if number <= limit]
    if wrong[(2,) * 6] <= limit:
        assert wrong[tuple(terms.tolist())] <= limit
        record_property(f"QU-08, {more} more wrong", f"greedy {int(terms.sum())} terms, cheapest {min(within)} of 12")
        assert int(terms.sum()) - min(within) <= 2
    else:
        assert (terms == 2).all()


def test_the_gradient_of_a_threshold_is_that_of_the_sigmoid_in_the_place_of_the_step():
    thresholds, slopes = torch.tensor([0.3, 0.1], requires_grad=True), torch.randn(12, 40)
    gate = Gated(WEIGHTS, AS_IT_IS, 2, 0.0)
    weight = torch.from_numpy(WEIGHTS.copy()).requires_grad_(True)
    (gate(weight, thresholds) * slopes).sum().backward()
    powers, left = PowersOfTwo.over(WEIGHTS, 1), WEIGHTS.astype(np.float64)
    mean, expected = np.linalg.norm(left, axis=1).mean(), []
    for threshold in (0.3, 0.1):
        norms = np.linalg.norm(left, axis=1) / mean
        term = powers.values[powers.term(left)]
        sigmoid = 1 / (1 + np.exp(threshold - norms))
        expected.append(-((sigmoid * (1 - sigmoid))[:, None] * term * slopes.numpy()).sum())
        left = left - np.where(norms[:, None] > threshold, term, 0)
    np.testing.assert_allclose(thresholds.grad.numpy(), expected, rtol=1e-3)
    alive = torch.from_numpy((WEIGHTS != 0).astype(np.float32))
    torch.testing.assert_close(weight.grad, slopes * alive)  # straight through, and nothing for what is zero


def test_trained_networks_lie_on_their_powers_and_their_zeros_stay(model, tmp_path):
    cut = Step(Magnitude(0.3))
    for method in (
        TrainedLightNN(terms=1, epochs=1), FLightNN(terms=2, threshold=0.2, epochs=2, penalty=0.001),
        CompactNet(terms=2, points=0.02, epochs=1),
    ):  # fmt: skip
        before, after = (train(model, Recipe(steps), Store(tmp_path)) for steps in ((cut,), (cut, Step(method))))
        for name, form in after.forms.items():
            values, levels = form.compose(), form.parts[0].levels
            assert not values[before.forms[name].compose() == 0].any()
            assert not np.array_equal(values, before.forms[name].compose())
            assert levels.terms if isinstance(levels, PowersOfTwo) else set(levels.terms.tolist()) <= {0, 1, 2}
            np.testing.assert_array_equal(levels.nearest(values, None), values)
        path = after.save(tmp_path / "net.cwb")
        assert path.stat().st_size == after.size.value


@pytest.mark.slow
def test_lenet_300_100_in_powers_of_two(tmp_path, record_property):
    """Catalogue QU-07 to QU-09, over three seeds: accuracy and bytes of the file.

    Rounding at once costs this network 0.1 points, which training on 9,000 images does not win back.
    """
    net = loaded("lenet-300-100/mnist")
    test, found = net.data.split("test"), {}
    for name, make in {
        "LightNN-1, at once": lambda seed: LightNN(terms=1), "LightNN-1": lambda seed: TrainedLightNN(seed=seed),
        "LightNN-2": lambda seed: TrainedLightNN(terms=2, seed=seed), "FLightNN": lambda seed: FLightNN(seed=seed),
        "CompactNet": lambda seed: CompactNet(seed=seed),
    }.items():  # fmt: skip
        each = [train(net, Recipe((Step(make(seed)),)), Store(tmp_path)) for seed in (0, 1, 2)]
        scores, sizes = [accuracy(one.to_torch(), test) for one in each], [one.size.value for one in each]
        found[name] = np.mean(scores), np.mean(sizes)
        record_property(name, f"{' '.join(f'{one:.2%}' for one in scores)} in {np.mean(sizes):,.0f} bytes")
    assert min(score for score, _ in found.values()) > found["LightNN-1, at once"][0] - 0.003
    for name in ("FLightNN", "CompactNet"):
        assert found["LightNN-1"][1] < found[name][1] < found["LightNN-2"][1]
