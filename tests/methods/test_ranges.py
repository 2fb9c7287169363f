"""Ranges of uniform grids by all, by percentile and by squared error; batch norm; whole numbers from end to end."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.zoo import loaded
from workbench.compression.compressed import compress
from workbench.methods.quantize.activations import Activations
from workbench.methods.quantize.uniform import Uniform
from workbench.recipe import Recipe, Step
from workbench.train.loop import accuracy
from workbench.weights.form import Form

RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_t(4, (6, 2500)).astype(np.float32)  # with weights far out


def rounded(values: np.ndarray = WEIGHTS, **settings: object) -> np.ndarray:
    return Uniform(**settings).apply({"a": Form.of(values)})["a"].compose()


def error(**settings: object) -> float:
    return float(np.square(rounded(**settings) - WEIGHTS, dtype=np.float64).sum())


@pytest.mark.parametrize("symmetric", ["yes", "no"])
@pytest.mark.parametrize("per", ["tensor", "channel", "group"])
@pytest.mark.parametrize("bits", [2, 4, 6])
def test_the_range_of_least_error_is_no_worse_than_either_of_the_others_tried(bits, per, symmetric):
    errors = {one: error(bits=bits, per=per, symmetric=symmetric, range=one) for one in ("min-max", "least-error")}
    assert errors["least-error"] <= errors["min-max"] and (bits > 4 or errors["least-error"] < errors["min-max"])
    if per == "tensor" and symmetric == "yes":  # beside every step from a tenth of the largest weight on
        largest, best = float(np.abs(WEIGHTS).max()), np.inf
        for share in np.linspace(0.05, 1, 200):
            step = share * largest / (2 ** (bits - 1) - 1)
            codes = np.clip(np.rint(WEIGHTS / step), -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
            best = min(best, float(np.square(step * codes - WEIGHTS, dtype=np.float64).sum()))
        assert best * 0.999 <= errors["least-error"] <= best * 1.02


def test_a_percentile_leaves_out_one_in_a_thousand():
    cut = WEIGHTS * (RNG.random(WEIGHTS.shape) > 0.5)  # zeros do not count
    values = rounded(cut, bits=8, per="tensor", range="percentile")
    expected = np.sort(np.abs(cut[cut != 0]))[-1 - int(0.001 * np.count_nonzero(cut))]
    assert np.abs(values).max() == pytest.approx(expected, rel=1e-5)
    assert not values[cut == 0].any()
    few = WEIGHTS[:, :25]  # of which a thousandth is none
    np.testing.assert_array_equal(rounded(few, bits=4, range="percentile"), rounded(few, bits=4))


def test_folding_batch_norm_first_changes_nothing_where_a_channel_has_its_scale():
    """γ/σ multiplies a channel's weights and scale alike; with one scale for all it would not."""
    factors = np.exp(RNG.normal(0, 1.5, (6, 1))).astype(np.float32)
    for range_ in ("min-max", "percentile", "least-error"):
        settings = {"bits": 4, "range": range_}
        np.testing.assert_allclose(
            rounded(WEIGHTS * factors, **settings), rounded(**settings) * factors, rtol=1e-4, atol=1e-6
        )
    apart = np.abs(rounded(WEIGHTS * factors, bits=4, per="tensor") - rounded(bits=4, per="tensor") * factors)
    assert apart.max() > 0.01


def whole_numbers(compressed, images: torch.Tensor) -> np.ndarray:
    """The answers of a chain of linear layers by integers: codes times codes, one multiplication by scales for a sum.

    Whole numbers are float64 here, in which these sums, less than 2^53, are exact.
    """
    module, x = compressed.model.module, None
    for child in module.modules():
        if isinstance(child, (nn.Sequential, nn.ReLU, nn.Flatten)) or child is module:
            continue
        if not isinstance(child, nn.Linear):  # the zoo's normalisation
            x = child(images).flatten(1).numpy()
            continue
        name = next(path for path, one in module.named_modules() if one is child)
        form, entering = compressed.forms[name], compressed.forms[name].entering
        levels, codes = form.parts[0].levels, form.parts[0].codes.astype(np.float64)
        inputs = np.clip(np.rint(x / entering.scale[0] + entering.zero_point[0]), 0, 255).astype(np.float64)
        sums = (inputs - entering.zero_point[0]) @ (codes - levels.zero_point[:, None]).T
        assert np.array_equal(sums, np.rint(sums))
        x = sums * (levels.scale.astype(np.float64) * entering.scale[0]) + child.bias.detach().numpy()
        x = np.maximum(x, 0) if name != "fc3" else x
    return x.argmax(1)


def test_whole_numbers_give_every_answer_of_the_simulated_and_of_the_packed_network():
    """Catalogue QU-14: 8-bit weights and inputs, all 10,000 test images."""
    model = loaded("lenet-300-100/mnist")
    compressed = compress(model, Recipe((Step(Activations(bits=8, ends="included")), Step(Uniform(bits=8)))))
    images = model.data.split("test").inputs()
    with torch.inference_mode():
        simulated, packed = (one(images).argmax(1).numpy() for one in (compressed.to_torch(), compressed.packed()))
        integers = whole_numbers(compressed, images)
    assert len(integers) == 10_000
    assert np.count_nonzero(simulated != integers) == np.count_nonzero(packed != integers) == 0


@pytest.mark.slow
def test_lenet_300_100_at_few_bits(record_property):
    """The catalogue's network: tensor / channel 8 bits 98.23 / 98.19 %, 4: 97.91 / 98.09, 3: 95.87 / 97.43, 2: 23.7 /
    44.5, 1: 69.5 / 71.4 of 98.22."""
    model = loaded("lenet-300-100/mnist")
    test, found = model.data.split("test"), {}
    for bits in (8, 6, 4, 3, 2, 1):
        for range_ in ("min-max", "percentile", "least-error"):
            for per in ("tensor", "channel", "group"):
                compressed = compress(model, Recipe((Step(Uniform(bits=bits, per=per, range=range_)),)))
                found[bits, range_, per] = accuracy(compressed.to_torch(), test)
            each = " / ".join(f"{found[bits, range_, per]:.2%}" for per in ("tensor", "channel", "group"))
            record_property(f"{bits} bits, {range_}", each)
    assert found[8, "min-max", "channel"] > 0.984
    for bits in (3, 2):
        assert found[bits, "min-max", "tensor"] < found[bits, "min-max", "channel"]
        assert found[bits, "min-max", "channel"] < found[bits, "least-error", "channel"]
