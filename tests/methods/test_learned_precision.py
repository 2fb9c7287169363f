"""Precision learned per connection: the quadratic whose best widths are known, and a network on widths of its own."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from tests.zoo import loaded
from workbench.compression.compressed import CompressedModel, compress
from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.aware import QuantisationAware
from workbench.methods.quantize.learned_precision import LearnedPrecision, _Rounded, balance, shift_to
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy
from workbench.weights.levels.widths_per_weight import WidthsPerWeight


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam])
def test_bits_follow_half_the_logarithm_of_what_errors_cost(optimiser):
    """Catalogue QU-13: Σ h σ² 2^(−2b) at mean b is least at b + ½ log₂(h σ² / geometric mean)."""
    cost = torch.tensor([4.0, 1.0, 0.25, 0.0625])
    bits, alive = nn.Parameter(torch.full((4,), 4.0)), torch.ones(4)
    steps = optimiser([bits], lr=50.0 if optimiser is torch.optim.SGD else 0.02)
    for _ in range(500):
        steps.zero_grad()
        (cost * torch.exp2(-2 * bits)).sum().backward()
        balance([bits], [alive])
        steps.step()
        shift_to([bits], [alive], 4.0, 8.0)
    np.testing.assert_allclose(bits.detach().numpy(), [5.5, 4.5, 3.5, 2.5], atol=0.02)


def test_the_gradient_by_a_width_is_that_of_the_mean_error():
    """Over many weights: half the curvature times the squared error falls by 2 ln 2 of itself a bit."""
    weight = torch.rand(200_000) * 2 - 1
    widths = torch.full_like(weight, 4.0).requires_grad_(True)
    made = _Rounded.apply(weight, widths, 1.0)
    (0.5 * (made - weight).square().sum()).backward()
    step = 2 * 2.0**-4
    assert float(widths.grad.mean()) == pytest.approx(-np.log(2) * step**2 / 12, rel=0.02)


def test_a_file_holds_each_weights_width_and_bits(tmp_path):
    random = np.random.default_rng(0)
    model = loaded("lenet-300-100/mnist")
    weight = model.layer("fc2").weight
    widths = random.integers(0, 9, weight.shape).astype(np.uint8)
    form = model.layer("fc2").form
    levels = WidthsPerWeight(weight.shape, widths, float(np.abs(weight).max()))
    part = form.parts[0].rounded(levels)
    middles = 2 * levels.reach * 2.0 ** -widths.astype(float)
    assert (np.abs(part.values - weight) <= middles / 2 * (1 + 1e-5)).all()
    assert not part.values[widths == 0].any()
    for width in range(1, 9):
        assert np.unique(part.values[widths == width]).size <= 2**width

    compressed = CompressedModel(model, {**compress(model, Recipe()).forms, "fc2": form.with_parts([part])})
    path = compressed.save(tmp_path / "net.cwb")
    assert path.stat().st_size == compressed.size.value
    assert compressed.size.by_part["scales"] == 4 + weight.size // 2  # the range, and four bits a weight
    assert compressed.size.by_part["codes"] == 4 * (784 * 300 + 1000) + -(-int(widths.sum()) // 8)
    assert workbench.read(path).forms["fc2"].compose().tobytes() == part.values.tobytes()


@pytest.fixture(scope="module")
def model() -> Model:
    random = np.random.default_rng(0)
    labels = np.arange(300) % 3
    images = (random.standard_normal((3, 12))[labels] + random.standard_normal((300, 12))).astype(np.float32)
    data = Dataset.from_arrays(
        "clouds", **dict.fromkeys(("train", "validation", "calibration", "test"), (images, labels))
    )
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 3))
    TrainingCourse(data, lambda found: None).fit(module, epochs=10, learning_rate=5e-3, seed=0)
    return Model.from_module(module, torch.zeros(1, 12), data)


def test_widths_become_whole_numbers_whose_mean_is_kept_and_zeros_stay(model, tmp_path):
    cut = Step(Magnitude(0.4))
    before, after = (
        train(model, Recipe(steps), Store(tmp_path)) for steps in ((cut,), (cut, Step(LearnedPrecision(epochs=40))))
    )
    widths = []
    for name, form in after.forms.items():
        zero, levels = before.forms[name].compose() == 0, form.parts[0].levels
        assert not form.compose()[zero].any() and not levels.widths[zero].any()
        widths.append(levels.widths[~zero])
    together = np.concatenate(widths)
    assert np.unique(together).size > 1 and together.mean() == pytest.approx(3, abs=0.25)
    path = after.save(tmp_path / "net.cwb")
    assert path.stat().st_size == after.size.value
    back = workbench.read(path, model.module, model.data)
    assert all(back.forms[name].compose().tobytes() == form.compose().tobytes() for name, form in after.forms.items())


@pytest.mark.slow
def test_lenet_300_100_beside_one_width_for_all(tmp_path, record_property):
    """At the same mean bits, trained as long, three seeds; the map of widths makes the file larger than one width."""
    net = loaded("lenet-300-100/mnist")
    test = net.data.split("test")
    for bits in (2, 3):
        learned, alike = (
            [train(net, Recipe((Step(make(seed)),)), Store(tmp_path)) for seed in (0, 1, 2)]
            for make in (
                lambda seed: LearnedPrecision(bits=bits, seed=seed, epochs=3),  # noqa: B023 (called at once)
                lambda seed: QuantisationAware(bits=bits, per="tensor", seed=seed, epochs=3),  # noqa: B023
            )
        )
        both = [[accuracy(one.to_torch(), test) for one in each] for each in (learned, alike)]
        said = [" ".join(f"{one:.2%}" for one in scores) for scores in both]
        sizes = learned[0].size.value, alike[0].size.value
        record_property(
            f"QU-13, {bits} bits",
            f"learned {said[0]} in {sizes[0]:,.0f} bytes, alike {said[1]} in {sizes[1]:,.0f}",
        )
        assert min(both[0]) > 0.95 and sizes[0] > sizes[1]
