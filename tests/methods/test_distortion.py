"""Distorted weights, and training that makes a network bear them; training at Q bits for least energy."""

import itertools

import numpy as np
import pytest
import torch

import workbench
from benchmarks.minimum_energy import EXPONENTS, Size, joules, least
from tests.clouds import signed
from tests.digits import perceptron, reached
from workbench.compression.compressed import compress
from workbench.engine.training import train
from workbench.methods.quantize._distorted import KINDS, usual
from workbench.methods.quantize.distortion import Distortion
from workbench.methods.quantize.distortion_trained import DistortionTrained
from workbench.methods.quantize.minimum_energy import MinimumEnergy
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy
from workbench.weights.form import Form

WEIGHT = np.random.default_rng(0).normal(0, 0.3, (40, 50)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_what_becomes_of_weights(kind):
    height, amount = usual(WEIGHT), 0.5
    assert height == pytest.approx(float(np.abs(WEIGHT).mean()), rel=1e-6)
    found = Distortion(kind=kind, amount=amount).compress(Form.of(WEIGHT), None).compose() / height
    theta = WEIGHT / height
    if kind == "sign":
        np.testing.assert_allclose(found, np.where(theta >= 0, 1, -1), rtol=1e-6)
    elif kind == "rounding":
        np.testing.assert_allclose(found, np.clip(np.rint(theta), -1, 1), atol=1e-6)
    elif kind == "power":
        np.testing.assert_allclose(found, np.sign(theta) * np.abs(theta) ** 1.5, rtol=1e-4)
    elif kind == "stochastic":
        assert set(np.round(np.unique(found), 5).tolist()) == {-1.0, 1.0}
        assert (np.sign(found) == np.sign(theta))[np.abs(theta) > 1].all()
    else:
        noise = found - theta if kind == "additive" else (found / theta - 1)
        assert abs(noise.mean()) < 4 * amount / np.sqrt(noise.size) and noise.std() == pytest.approx(amount, rel=0.1)


@pytest.mark.parametrize("kind", ["sign", "multiplicative"])
def test_training_gives_real_weights_within_the_clip(kind, tmp_path):
    model, store = signed(), Store(tmp_path / "results")
    found = train(model, Recipe((Step(DistortionTrained(kind=kind, epochs=3)),)), store)
    for name, form in found.forms.items():
        height = usual(model.layer(name).weight)
        assert np.abs(form.compose()).max() <= height * (1 + 1e-6)
        assert np.unique(form.compose()).size > 20  # the real ones, not what they became
    signs = Recipe((Step(DistortionTrained(kind=kind, epochs=3)), Step(Distortion(kind=kind))))
    test = model.data.split("test")
    assert accuracy(compress(model, signs, store=store).to_torch(), test) > 0.75


@pytest.mark.parametrize("bits", [2, 4])
def test_weights_and_inputs_lie_on_the_grid_of_q_bits(bits, tmp_path):
    """Range and step of the authors' code: round(x 2^(Q−1)) between −2^(Q−1) and 2^(Q−1) − 1, over 2^(Q−1)."""
    model, store = signed(), Store(tmp_path / "results")
    found = train(model, Recipe((Step(MinimumEnergy(bits=bits, epochs=5)),)), store)
    x = np.linspace(-1.7, 1.7, 501, dtype=np.float32)
    half = 2 ** (bits - 1)
    for name, form in found.forms.items():
        whole = form.compose() * half
        assert (whole == np.rint(whole)).all() and whole.min() >= -half and whole.max() <= half - 1
        if name != "1":
            expected = np.clip(np.rint(x * half), -half, half - 1) / half
            np.testing.assert_allclose(form.entering.entered(x[None])[0], expected, atol=1e-7)
    test = model.data.split("test")
    assert accuracy(found.to_torch(), test) > 0.8
    assert found.save(tmp_path / "net.cwb").stat().st_size == found.size.value
    back = workbench.read(tmp_path / "net.cwb", model.module, model.data)
    with torch.inference_mode():
        assert torch.equal(back.to_torch()(test.inputs(slice(40))), found.to_torch()(test.inputs(slice(40))))


def test_the_energy_of_a_small_layer_by_hand():
    """64 MACs, 16 weights, 8 activations at 4 bits and exponent 1: 0.925 pJ a MAC, √256 = 16 share what they read.

    0.925 · (64 + 24) + (1.85 · 16 + 0.925 · 4) + (3.7 · 8 + 0.925 · 4) = 81.4 + 33.3 + 33.3.
    """
    assert joules(Size(64, 16, 8), 4, 1.0) == pytest.approx(148.0e-12, rel=1e-12)


def test_least_energy_is_the_least_of_those_good_enough():
    sizes = {10: Size(100, 100, 10), 20: Size(400, 400, 20)}
    errors = {(10, 2): 0.09, (10, 8): 0.05, (20, 2): 0.05, (20, 8): 0.02}
    for exponent in EXPONENTS:
        fit = [(joules(sizes[width], bits, exponent), bits) for (width, bits), one in errors.items() if one <= 0.06]
        assert least(errors, sizes, 0.06, exponent) == min(fit)[1]
    assert least(errors, sizes, 0.01, 1.0) is None


@pytest.mark.slow
def test_a_network_that_was_trained_with_signs_bears_other_distortions(record_property):
    """QU-12: 97 % under several of them on all of MNIST by estimate, and about 70 % of a plain one under signs."""
    plain = workbench.load("lenet-300-100/mnist")
    test = plain.data.split("test")
    state = State.of(plain)
    course = TrainingCourse(plain.data, lambda told: None)
    (robust,) = DistortionTrained(kind="sign", epochs=8).train(state, tuple(state.forms), course)
    scores = {}
    for name, one in (("plain", state), ("trained with signs", robust)):
        for kind in KINDS:
            forms = Distortion(kind=kind).apply(one.forms)
            scores[name, kind] = accuracy(one.with_forms(forms).module(), test)
        record_property(f"QU-12, {name}", ", ".join(f"{kind} {scores[name, kind]:.2%}" for kind in KINDS))
    assert scores["trained with signs", "sign"] > scores["plain", "sign"] + 0.2


@pytest.mark.slow
def test_least_energy_at_equal_accuracy(record_property):
    """QU-11: four bits or fewer, not eight, by estimate; for which exponents of a MAC's energy that is so."""
    widths, all_bits = (16, 32, 64, 128), (2, 3, 4, 8)
    errors, sizes = {}, {}
    for width in widths:
        macs = 784 * width + width * width + 10 * width
        sizes[width] = Size(macs, macs, 784 + 2 * width + 10)
    for width, bits in itertools.product(widths, all_bits):
        errors[width, bits] = 1 - reached(perceptron(width, width, norm=True), MinimumEnergy(bits=bits, epochs=4))
    for width in widths:
        found = ", ".join(f"Q {bits} {errors[width, bits]:.2%}" for bits in all_bits)
        record_property(f"QU-11, {width} units, error at", found)
    for most in (0.10, 0.08, 0.06):
        chosen = {exponent: least(errors, sizes, most, exponent) for exponent in EXPONENTS}
        record_property(f"error {most:.0%}", ", ".join(f"exponent {one:g} Q {bits}" for one, bits in chosen.items()))
    assert least(errors, sizes, 1.0, 1.25) == 2
