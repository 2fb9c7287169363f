"""DoReFa-Net: its quantisers, the products of bits in both passes, and how few bits each kind of number takes."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.verdicts import difference, more
from tests.clouds import perceptron
from tests.digits import perceptron as on_digits
from tests.digits import reached, said
from workbench.compression.compressed import compress
from workbench.engine.training import train
from workbench.kernels.binary.planes import gemm_planes, pack_plane_weights, pack_planes
from workbench.methods.quantize._dorefa import entering, quantised_gradient
from workbench.methods.quantize.dorefa import Dorefa
from workbench.methods.quantize.dorefa_weights import DorefaWeights
from workbench.network.simulated import rounded
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.loop import accuracy
from workbench.weights.form import Form


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_lie_where_equation_9_puts_them(bits):
    weight = np.random.default_rng(0).normal(0, 0.4, (13, 17)).astype(np.float32)
    found = DorefaWeights(bits=bits).compress(Form.of(weight), None)
    squeezed = np.tanh(weight.astype(np.float64))
    highest = 2**bits - 1
    unit = squeezed / (2 * np.abs(squeezed).max()) + 0.5
    expected = 2 * np.rint(highest * unit) / highest - 1
    assert (np.abs(found.compose() - expected) < 1e-6).mean() > 0.99  # of tanh in float32 a half may fall elsewhere
    assert found.parts[0].bits == bits and np.unique(found.compose()).size <= 2**bits
    assert {-1.0, 1.0} & set(np.round(np.unique(found.compose()), 5).tolist())


def test_one_bit_is_the_sign_times_the_mean_magnitude():
    weight = np.random.default_rng(0).normal(0, 0.4, (13, 17)).astype(np.float32)
    found = DorefaWeights(bits=1).compress(Form.of(weight), None).compose()
    np.testing.assert_allclose(found, np.where(weight >= 0, 1, -1) * np.abs(weight).mean(), rtol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_what_enters_is_clipped_to_0_and_1_and_rounded(bits):
    x = torch.rand(401, generator=torch.Generator().manual_seed(0)) * 2 - 0.5  # no halves between two levels
    highest = 2**bits - 1
    expected = (x.clamp(0, 1) * highest).round() / highest
    torch.testing.assert_close(rounded(x[None], entering(bits))[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bits", [2, 4, 6])
def test_gradients_are_right_on_average_with_noise_and_not_without(bits):
    """n draws of each of 64 gradients, whose deviation is under a step: |mean − g| < 5 steps / √n."""
    gradient = torch.randn(1, 64, generator=torch.Generator().manual_seed(0)).repeat(4000, 1)
    step = 2 * float(gradient[0].abs().max()) / (2**bits - 1)
    with_noise = quantised_gradient(gradient, bits, torch.Generator().manual_seed(1)).mean(0)
    without = quantised_gradient(gradient, bits, None).mean(0)
    bound = 5 * step / np.sqrt(len(gradient))
    assert float((with_noise - gradient[0]).abs().max()) < bound
    assert float((without - gradient[0]).abs().max()) > 0.3 * step > bound
    levels = quantised_gradient(gradient, bits, torch.Generator().manual_seed(1))[0] / step
    assert ((levels - 0.5) - (levels - 0.5).round()).abs().max() < 1e-4  # 2^k levels, none of them zero


def test_each_sample_has_a_scale_of_its_own():
    gradient = torch.tensor([[1.0, -0.5, 0.25], [0.001, -0.002, 0.0005]])
    found = quantised_gradient(gradient, 8, None)
    torch.testing.assert_close(found, gradient, rtol=0.02, atol=0)


@pytest.mark.parametrize(("weights", "activations", "gradients"), [(1, 2, 6), (2, 3, 4), (1, 1, 2)])
def test_products_of_both_passes_are_products_of_bits(weights, activations, gradients):
    """Σ 2^(m+n) popcount(x_m & w_n) is the product of whole numbers, and from it follow the products of float64."""
    random = np.random.default_rng(0)
    samples, inputs, outputs = 9, 70, 33
    x, w, g = (
        random.integers(0, 2**bits, shape).astype(np.uint8)
        for bits, shape in (
            (activations, (samples, inputs)),
            (weights, (outputs, inputs)),
            (gradients, (samples, outputs)),
        )
    )
    forward = gemm_planes(pack_planes(x, activations), pack_plane_weights(w, weights))
    np.testing.assert_array_equal(forward, x.astype(int) @ w.astype(int).T)
    to_input = gemm_planes(pack_planes(g, gradients), pack_plane_weights(np.ascontiguousarray(w.T), weights))
    np.testing.assert_array_equal(to_input, g.astype(int) @ w.astype(int))
    of_sample = [  # of the weights, sample by sample, since each has its scale
        gemm_planes(pack_planes(g[one][:, None], gradients), pack_plane_weights(x[one][:, None], activations))
        for one in range(samples)
    ]
    np.testing.assert_array_equal(sum(of_sample), g.astype(int).T @ x.astype(int))
    scale = random.uniform(0.1, 2, (samples, 1))  # 2 max|g| of a sample
    levels = scale * (g / (2**gradients - 1) - 0.5)
    values = 2 * w / (2**weights - 1) - 1
    sums = w.astype(int).sum(0)
    highest = (2**gradients - 1) * (2**weights - 1)
    error = scale * (
        2 * to_input / highest - g.sum(1, keepdims=True) / (2**gradients - 1) - sums / (2**weights - 1) + outputs / 2
    )
    np.testing.assert_allclose(error, levels @ values, atol=1e-9)


@pytest.mark.parametrize("bits", [(1, 2, 6), (3, 4, 32)])
def test_training_wins_back_what_few_bits_cost(bits, tmp_path):
    model, store = perceptron(), Store(tmp_path / "results")
    weights, activations, gradients = bits
    method = Dorefa(weights=weights, activations=activations, gradients=gradients, epochs=6)
    recipe = Recipe((Step(method, ("4",)),))
    preview, trained = compress(model, recipe, store=store), train(model, recipe, store)
    assert preview.previews == ("DoReFa-Net",) and trained.faithful
    form = trained.forms["4"]
    assert form.entering.bits == activations and form.parts[0].bits == weights
    assert np.unique(form.compose()).size <= 2**weights
    test = model.data.split("test")
    untrained = State.of(model).with_forms({"4": preview.forms["4"].with_entering(form.entering)})
    assert accuracy(trained.to_torch(), test) > max(0.8, accuracy(untrained.module(), test) + 0.05)
    x = test.inputs(slice(50))
    with torch.inference_mode():
        torch.testing.assert_close(trained.packed()(x), trained.to_torch()(x), rtol=0, atol=1e-4)
    assert trained.save(tmp_path / "net.cwb").stat().st_size == trained.size.value


def test_the_gradient_of_what_leaves_a_layer_has_few_values(tmp_path):
    """In training, and in training only; what was trained is a plain module again."""
    seen = []
    layer = nn.Linear(5, 7)
    method = Dorefa(gradients=2, noise="no")
    handle = layer.register_forward_hook(method._backward(torch.Generator()))
    x = torch.randn(4, 5, requires_grad=True)
    y = layer(x)
    y.register_hook(lambda gradient: seen.append(gradient))
    (y * torch.randn(4, 7)).sum().backward()
    handle.remove()
    of_rows = layer.bias.grad  # the sum of rounded rows
    rounded_rows = quantised_gradient(seen[0], 2, None)
    torch.testing.assert_close(of_rows, rounded_rows.sum(0))
    torch.testing.assert_close(x.grad, rounded_rows @ layer.weight.detach())


@pytest.mark.slow
def test_how_few_bits_each_kind_takes(record_property):
    """QU-10, GU-11: W ≥ 1, A ≥ 2, G ≥ 6, and gradients want noise; 784-256-256-256-10 with batch norm, three seeds."""
    state, seeds = on_digits(256, 256, 256, norm=True), (0, 1, 2)
    inner = tuple(state.forms)[1:-1]

    def arm(weights: int, activations: int, gradients: int, noise: str = "yes") -> list[float]:
        return [
            reached(
                state,
                Dorefa(weights=weights, activations=activations, gradients=gradients, noise=noise, epochs=3, seed=seed),
                inner,
            )
            for seed in seeds
        ]

    found = {
        "32/32/32": arm(32, 32, 32), "1/2/6": arm(1, 2, 6), "1/1/6": arm(1, 1, 6), "1/2/4": arm(1, 2, 4),
        "1/2/2": arm(1, 2, 2), "1/2/4 without noise": arm(1, 2, 4, "no"),
    }  # fmt: skip
    for name, scores in found.items():
        record_property(f"W/A/G {name}", said(scores))
    for claim, ours, theirs in (
        ("A 2 beats 1", "1/2/6", "1/1/6"), ("G 6 beats 4", "1/2/6", "1/2/4"), ("G 6 beats 2", "1/2/6", "1/2/2"),
        ("noise beats none", "1/2/4", "1/2/4 without noise"),
    ):  # fmt: skip
        record_property(claim, more(difference(found[ours], found[theirs])))
    assert np.mean(found["1/2/6"]) > np.mean(found["32/32/32"]) - 0.03
    assert np.mean(found["1/2/2"]) < np.mean(found["1/2/6"])
