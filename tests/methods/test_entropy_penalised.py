"""Entropy-penalised training: what is added to the gradient, and what it makes of the file."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from tests.clouds import perceptron
from workbench.compression.compressed import compress
from workbench.engine.training import train
from workbench.methods.coding.entropy import EntropyCoding
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.entropy_penalised import EntropyPenalised, Priced
from workbench.methods.quantize.uniform import Uniform
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.loop import accuracy


def test_what_is_added_is_the_slope_of_the_interpolated_length():
    """Beside a naive count: 8,000 bits cost the price, and a number's length is −log₂ of its share."""
    random = np.random.default_rng(0)
    weight = torch.tensor(random.normal(0, 1, (30, 40)), dtype=torch.float32)
    weight[random.random((30, 40)) < 0.2] = 0
    priced = Priced(weight, bits=3, step=0.7)
    latent = nn.Parameter(weight.clone())
    latent.grad = torch.zeros_like(latent)
    made = priced(latent)
    priced.count()
    priced.charge(2.0)

    alive = weight.numpy()[weight.numpy() != 0]
    step = float(np.float32(0.7 * np.sqrt((alive.astype(np.float64) ** 2).mean())))
    numbers = np.clip(
        np.rint(weight.numpy().reshape(-1) / step), -3, 3
    )  # zeros among them, which the file knows as zeros
    shares = np.array([(numbers == k).sum() + 1 for k in range(-3, 4)]) / (weight.numel() + 7)

    def length(w: float) -> float:
        below = int(np.floor(w / step))
        share = w / step - below
        return -(1 - share) * np.log2(shares[below + 3]) - share * np.log2(shares[below + 4])

    np.testing.assert_allclose(np.unique(made.detach()), step * np.arange(-3, 4), rtol=1e-6)
    for w, found in zip(weight.reshape(-1).tolist(), latent.grad.reshape(-1).tolist(), strict=True):
        if w == 0 or abs(w / step) >= 3:
            assert found == 0
        elif abs(w / step - round(w / step)) > 1e-3:
            slope = (length(w + 1e-4 * step) - length(w - 1e-4 * step)) / (2e-4 * step)
            assert found == pytest.approx(2.0 / 8000 * slope, rel=1e-3, abs=1e-7)


def test_the_gradient_goes_straight_through_the_rounding():
    weight = torch.tensor([[0.3, -0.9, 0.0, 2.0]])
    priced, latent = Priced(weight, bits=2, step=1.0), nn.Parameter(weight.clone())
    (priced(latent) * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert latent.grad.tolist() == [[1.0, 2.0, 0.0, 4.0]]  # a zero stays one


def test_a_price_makes_files_smaller_and_zeros_stay(tmp_path):
    model, store = perceptron(), Store(tmp_path / "results")
    sizes = []
    for price in (0.0, 3.0):
        recipe = Recipe(
            (Step(Magnitude(sparsity=0.2)), Step(EntropyPenalised(price=price, bits=3, epochs=10, learning_rate=0.01)))
        )
        preview, trained = compress(model, recipe, store=store), train(model, recipe, store)
        assert preview.previews == ("Entropy-penalised training",) and not trained.previews
        for name, form in trained.forms.items():
            values = form.parts[0].values
            assert np.unique(values).size <= 7 and form.parts[0].bits == 3
            assert (values[preview.forms[name].parts[0].values == 0] == 0).all()
        sizes.append(trained.size.value)
        assert trained.save(tmp_path / "net.cwb").stat().st_size == trained.size.value
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.slow
def test_lenet_300_100_against_a_cut_of_equal_answers(tmp_path, record_property):
    """Smaller, with fewer errors, than cutting and rounding what was trained without a price."""
    model = workbench.load("lenet-300-100/mnist")
    priced = Recipe((Step(EntropyPenalised(price=0.1, step=2.0, bits=3, epochs=30, alpha=0.7)),))
    trained = train(model, priced, Store(tmp_path / "results"))
    cut = compress(model, Recipe((Step(Magnitude(sparsity=0.9)), Step(Uniform(bits=3)), Step(EntropyCoding()))))
    test = model.data.split("test")
    answers = accuracy(trained.to_torch(), test), accuracy(cut.to_torch(), test)
    weights = 4 * (sum(form.weights for form in trained.forms.values()) + 410)
    record_property(
        "QU-05, priced", f"{answers[0]:.2%} in {trained.size.value:,.0f} bytes, {weights / trained.size.value:.0f}x"
    )
    record_property("QU-05, cut and rounded", f"{answers[1]:.2%} in {cut.size.value:,.0f} bytes")
    assert answers[0] > answers[1] and trained.size.value < cut.size.value
