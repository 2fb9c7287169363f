"""Uniform quantisation: number of levels, error bound, exact zero, one-bit optimum."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.methods.quantize.uniform import Uniform
from workbench.weights.form import Form
from workbench.weights.levels.affine import Affine
from workbench.weights.part import Part

Per = Literal["tensor", "channel", "group"]
weights = arrays.arrays(
    np.float32,
    st.sampled_from([(1, 1), (3, 7), (5, 130), (4, 3, 3, 3), (2, 64)]),
    elements=st.floats(-100, 100, width=32),
)


def quantised(values: np.ndarray, **settings: object) -> Part:
    return Uniform(**settings).apply({"a": Form.of(values)})["a"].parts[0]  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(weights, st.integers(1, 8), st.sampled_from(["tensor", "channel", "group"]), st.sampled_from(["yes", "no"]))
def test_values_are_the_decoded_codes_and_zero_stays_zero(
    values: np.ndarray, bits: int, per: Per, symmetric: Literal["yes", "no"]
) -> None:
    part = quantised(values, bits=bits, per=per, symmetric=symmetric)
    assert isinstance(part.levels, Affine) and part.codes is not None
    alive = part.values != 0
    np.testing.assert_array_equal(part.levels.decode(part.codes)[alive], part.values[alive])
    assert not part.values[values == 0].any()
    assert not np.signbit(part.values[part.values == 0]).any()
    assert np.isfinite(part.values).all()
    levels_in_use = 2**bits - 1 if symmetric == "yes" and bits > 1 else 2**bits
    for group in range(part.levels.grouping.count(values.shape)):
        inside = (part.levels.grouping.index(values.shape) == group) & alive
        assert len(np.unique(part.values[inside])) <= levels_in_use
        assert len(np.unique(part.codes[inside])) <= levels_in_use


@settings(max_examples=60, deadline=None)
@given(weights, st.integers(2, 8), st.sampled_from(["tensor", "channel", "group"]), st.sampled_from(["yes", "no"]))
def test_error_is_at_most_half_a_step(values: np.ndarray, bits: int, per: Per, symmetric: Literal["yes", "no"]) -> None:
    part = quantised(values, bits=bits, per=per, symmetric=symmetric)
    assert isinstance(part.levels, Affine)
    step = part.levels.grouping.spread(part.levels.scale, values.shape)
    # the zero point of an asymmetric grid is rounded too, which moves its ends by up to half a step
    slack = 0.5 if symmetric == "yes" else 1.0
    assert (np.abs(values - part.values) <= slack * step * (1 + 1e-5) + 1e-30).all()


def test_symmetric_scale_is_the_largest_magnitude_over_l() -> None:
    values = np.array([[0.5, -2.0, 1.0], [0.1, 0.3, -0.2]], np.float32)
    part = quantised(values, bits=4, per="channel")
    assert isinstance(part.levels, Affine)
    np.testing.assert_allclose(part.levels.scale, [2.0 / 7, 0.3 / 7], rtol=1e-6)


@pytest.mark.parametrize("per", ["tensor", "channel", "group"])
def test_one_bit_is_the_sign_times_the_mean_magnitude(per: Per) -> None:
    values = np.random.default_rng(1).normal(size=(6, 128)).astype(np.float32)
    part = quantised(values, bits=1, per=per)
    assert isinstance(part.levels, Affine)
    groups = part.levels.grouping.index(values.shape)
    for group in range(part.levels.grouping.count(values.shape)):
        inside = groups == group
        expected = np.sign(values[inside]) * np.abs(values[inside].astype(np.float64)).mean()
        np.testing.assert_allclose(part.values[inside], expected, rtol=1e-5)


def test_one_bit_ignores_pruned_weights() -> None:
    values = np.array([[1.0, -3.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(quantised(values, bits=1, per="tensor").values, [[2.0, -2.0, 0.0, 0.0]], rtol=1e-6)


def test_one_bit_asymmetric_is_the_mean_plus_minus_the_mean_deviation() -> None:
    values = np.array([[1.0, 2.0, 3.0, 6.0]], np.float32)
    part = quantised(values, bits=1, per="tensor", symmetric="no")
    np.testing.assert_allclose(part.values, [[1.5, 1.5, 1.5, 4.5]], rtol=1e-5)  # mean 3, mean deviation 1.5


def test_a_constant_tensor_is_held_without_loss_at_one_bit() -> None:
    values = np.full((2, 3), -0.7, np.float32)
    for symmetric in ("yes", "no"):
        np.testing.assert_allclose(quantised(values, bits=1, symmetric=symmetric).values, values, rtol=1e-6)


def test_integer_arithmetic_equals_the_simulated_product() -> None:
    rng = np.random.default_rng(2)
    part = quantised(rng.normal(size=(8, 32)).astype(np.float32), bits=6, per="channel")
    assert isinstance(part.levels, Affine) and part.codes is not None
    x = rng.integers(-128, 128, size=32)
    integers = part.codes.astype(np.int64) - part.levels.zero_point.astype(np.int64)[:, None]
    np.testing.assert_allclose(part.values.astype(np.float64) @ x, part.levels.scale * (integers @ x), rtol=1e-5)


def test_one_bit_a_channel_is_the_binary_weight_network() -> None:
    """Rastegari et al. 2016, equations 5 and 6: α = mean |W| minimises the error of α · sign(W) for each filter."""
    weights = np.random.default_rng(3).normal(size=(6, 50)).astype(np.float32)
    found = quantised(weights, bits=1, per="channel").values
    for row, ours in zip(weights.astype(np.float64), found, strict=True):
        signs = np.sign(row)
        best = float(np.linalg.lstsq(signs[:, None], row, rcond=None)[0][0])
        np.testing.assert_allclose(ours, best * signs, rtol=1e-6)
