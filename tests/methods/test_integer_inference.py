"""8-bit and fixed-point inference beside twins that know whole numbers alone."""

from time import perf_counter

import numpy as np
import pytest
import torch

import workbench
from workbench.compression.compressed import CompressedModel, compress
from workbench.methods.precision.eight_bit_inference import EightBitInference
from workbench.methods.precision.embedded_fixed_point import EmbeddedFixedPoint
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.train.loop import accuracy

CHAIN = ("fc1", "fc2", "fc3")


@pytest.fixture(scope="module")
def lenet() -> Model:
    return workbench.load("lenet-300-100/mnist")


def entering(compressed: CompressedModel, images: torch.Tensor) -> np.ndarray:
    """What meets the first layer, float32."""
    module = compressed.to_torch()
    return module.flatten(module.normalize(images)).numpy()


def fixed_point_twin(compressed: CompressedModel, x: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """The answers in units of the last layer's sums, and how many sums leave `width` bits; whole numbers, after x came.

    Rounding from the step of sums to that of the next inputs is a shift, halves to even.
    """
    overflows = 0
    steps: tuple[int, int] | None = None  # fraction of the sums
    whole = x
    for name in CHAIN:
        form = compressed.forms[name]
        weights, inputs = form.parts[0].levels, form.entering
        half = 2 ** (inputs.bits - 1)
        if steps is None:
            whole = np.clip(np.rint(x.astype(np.float64) * 2.0**inputs.fraction), -half, half - 1).astype(np.int64)
        else:
            shift = steps[0] - inputs.fraction
            assert shift >= 0
            floor, rest, middle = whole >> shift, whole & ((1 << shift) - 1), (1 << shift) >> 1
            up = (rest > middle) | ((rest == middle) & (middle > 0) & (floor & 1 == 1))
            whole = np.clip(floor + up, -half, half - 1)
        codes = form.parts[0].codes.astype(np.int64) - 2 ** (weights.bits - 1)
        fraction = weights.fraction + inputs.fraction
        bias = compressed.model.rest[f"{name}.bias"].astype(np.float64) * 2.0**fraction
        assert (bias == np.rint(bias)).all()
        whole = whole @ codes.T + bias.astype(np.int64)
        overflows += int(((whole < -(2 ** (width - 1))) | (whole >= 2 ** (width - 1))).sum())
        steps = (fraction,)
        if name != CHAIN[-1]:
            whole = np.maximum(whole, 0)
    return whole, overflows


@pytest.mark.parametrize("bits", [8, 6])
def test_fixed_point_inference_is_that_of_whole_numbers_bit_for_bit(lenet, bits):
    compressed = compress(lenet, Recipe((Step(EmbeddedFixedPoint(bits=bits)),)))
    images = lenet.data.split("test").inputs(slice(2000))
    with torch.inference_mode():
        answers = compressed.to_torch()(images).numpy().astype(np.float64)
    whole, overflows = fixed_point_twin(compressed, entering(compressed, images), 32)
    last = compressed.forms["fc3"]
    scale = 2.0 ** -(last.parts[0].levels.fraction + last.entering.fraction)
    np.testing.assert_array_equal(whole * scale, answers)
    assert overflows == 0
    assert fixed_point_twin(compressed, entering(compressed, images), 12)[1] > 0  # a planted overflow is caught


def test_a_sum_of_one_row_as_a_scalar_loop(lenet):
    """The twin's own product, one multiplication and addition after another in Python's whole numbers."""
    compressed = compress(lenet, Recipe((Step(EmbeddedFixedPoint()),)))
    form = compressed.forms["fc3"]
    x = np.arange(-50, 50)
    codes = form.parts[0].codes.astype(int) - 128
    for row in range(10):
        total = 0
        for number, code in zip(x.tolist(), codes[row].tolist(), strict=True):
            total += number * code
        assert total == int(x @ codes[row])


def test_the_formats_are_said_and_hold_every_weight(lenet):
    compressed = compress(lenet, Recipe((Step(EmbeddedFixedPoint()),)))
    notes = {note.layer: note.text for note in compressed.notes}
    for name in CHAIN:
        form = compressed.forms[name]
        integer = form.parts[0].levels.integer
        assert f"Weights are Q{integer}.{8 - integer}, inputs Q{form.entering.integer}." in notes[name]
        largest = np.abs(lenet.layer(name).weight).max()
        assert 2.0 ** (integer - 2) <= largest < 2.0 ** (integer - 1)
    assert "26 bits hold any sum" in notes["fc1"]  # 784 products of 16 bits


def test_bytes_are_multiplied_to_32_bits_as_the_simulated_network_says(lenet):
    """Codes times codes in int32, one multiplication by both scales at the end."""
    compressed = compress(lenet, Recipe((Step(EightBitInference()),)))
    form, bias = compressed.forms["fc1"], compressed.model.rest["fc1.bias"]
    levels, inputs = form.parts[0].levels, form.entering
    assert levels.bits == inputs.bits == 8
    x = entering(compressed, lenet.data.split("test").inputs(slice(300)))
    point = int(inputs.zero_point[0])
    bytes_in = np.clip(np.rint(x / inputs.scale[0] + inputs.zero_point[0]), 0, 255).astype(np.int32)
    bytes_of = form.parts[0].codes.astype(np.int32) - 127
    assert bytes_of.min() >= -127 and 784 * 255 * 127 < 2**31
    sums = (bytes_in - point) @ bytes_of.T
    assert sums.dtype == np.int32
    exact = (bytes_in.astype(object) - point) @ bytes_of.T.astype(object)
    assert (sums == exact).all()
    with torch.inference_mode():
        module = compressed.to_torch()
        expected = module.fc1(torch.from_numpy(x)).numpy()
    found = sums * (inputs.scale[0] * levels.scale[0]) + bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", [EightBitInference(), EightBitInference(per="channel"), EmbeddedFixedPoint()])
def test_eight_bits_cost_little(lenet, method):
    test = lenet.data.split("test")
    assert accuracy(compress(lenet, Recipe((Step(method),))).to_torch(), test) > accuracy(lenet.module, test) - 0.003


@pytest.mark.slow
def test_time_and_accuracy_of_eight_bits(record_property):
    """NP-10: numpy's whole numbers beside float32 through BLAS, 64 rows of fc1; NP-11: 0.3 points on LeNet-5."""
    lenet = workbench.load("lenet-5/mnist")
    test = lenet.data.split("test")
    plain = accuracy(lenet.module, test)
    for name, method in (("NP-10", EightBitInference()), ("NP-11", EmbeddedFixedPoint())):
        reached = accuracy(compress(lenet, Recipe((Step(method),))).to_torch(), test)
        record_property(f"{name}, LeNet-5", f"{reached:.2%} of {plain:.2%}")
        assert reached > plain - 0.003
    random = np.random.default_rng(0)
    x, weight = random.integers(0, 256, (64, 800)), random.integers(-127, 128, (800, 500))
    for kind in (np.int32, np.float32):
        a, b = x.astype(kind), weight.astype(kind)
        took = []
        for _ in range(5):
            begun = perf_counter()
            _ = a @ b
            took.append(perf_counter() - begun)
        record_property(f"NP-10, {np.dtype(kind)}", f"{min(took) * 1e3:.2f} ms")
