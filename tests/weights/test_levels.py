"""Kinds of levels beside slow references, published formats and the identities that define them."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.weights.levels import LEVELS, Levels
from workbench.weights.levels.fixed_point import FixedPoint
from workbench.weights.levels.floating_point import FloatingPoint
from workbench.weights.levels.hashed import Hashed, hashes
from workbench.weights.levels.powers_of_two import PowersOfTwo
from workbench.weights.part import Cut, Part

WEIGHTS = np.random.default_rng(0).normal(0, 0.3, (40, 25)).astype(np.float32)
KINDS = [PowersOfTwo.over(WEIGHTS, 1), PowersOfTwo.over(WEIGHTS, 3), FixedPoint(2, 4), FixedPoint(1, 0)]
KINDS += [FixedPoint(4, 12), FloatingPoint(5, 2), FloatingPoint(3, 4), FloatingPoint(2, 0)]


def test_every_kind_is_found_by_its_name():
    assert {
        "affine",
        "codebook",
        "fixed-point",
        "floating-point",
        "hashed",
        "powers-of-two",
        "powers-per-filter",
        "residual-vectors",
        "vectors",
        "widths-per-weight",
    } <= set(LEVELS)
    assert all(LEVELS[kind].kind == kind for kind in LEVELS)


@pytest.mark.parametrize("levels", KINDS)
def test_codes_say_the_values_and_zeros_are_counted_without_making_them(levels: Levels):
    part = Part.of(WEIGHTS).without(Cut(0.05)).rounded(levels)
    assert part.nonzeros == np.count_nonzero(part.values)
    np.testing.assert_array_equal(levels.decode(part.codes)[part.values != 0], part.values[part.values != 0])
    assert int(part.codes.max()) <= levels.highest_code
    again = levels.nearest(part.values, None)
    np.testing.assert_array_equal(again, part.values)  # what lies on a level stays


def greedy(weight: float, terms: int, top: int) -> float:
    """Ding et al. 2017, section 3, term after term."""
    total = 0.0
    for _ in range(terms):
        left = weight - total
        exponent = round(math.log2(abs(left))) if left else None
        if exponent is not None and top - exponent < 15:
            total += math.copysign(2.0 ** min(exponent, top), left)
    return total


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_powers_of_two_are_taken_greedily(terms):
    levels = PowersOfTwo.over(WEIGHTS, terms)
    found = levels.nearest(WEIGHTS, None)
    assert found.reshape(-1).tolist() == [greedy(float(weight), terms, levels.top) for weight in WEIGHTS.reshape(-1)]
    relative = np.abs(found - WEIGHTS) / np.abs(WEIGHTS)
    assert relative[np.abs(WEIGHTS) > 2.0 ** (levels.top - 14)].max() <= (math.sqrt(2) - 1) * (1 + 1e-6)


def test_errors_fall_fivefold_a_term():
    """0.203, 0.0385, 0.0073 for normal weights: a factor of about 5.3 each, as the measured catalogue has it."""
    errors = [np.linalg.norm(PowersOfTwo.over(WEIGHTS, k).nearest(WEIGHTS, None) - WEIGHTS) for k in (1, 2, 3)]
    relative = np.array(errors) / np.linalg.norm(WEIGHTS)
    np.testing.assert_allclose(relative, [0.203, 0.0385, 0.0073], rtol=0.08)


def test_shifts_and_additions_give_what_multiplications_give():
    levels = PowersOfTwo.over(WEIGHTS, 2)
    codes = np.empty(WEIGHTS.shape, levels.code_type)
    values = levels.nearest(WEIGHTS, codes)
    x = np.random.default_rng(1).integers(-128, 128, WEIGHTS.shape[1])
    shifted = np.zeros(len(WEIGHTS), np.int64)  # in units of 2^(top − 14)
    for (row, column), code in np.ndenumerate(codes.astype(int)):
        for field in (code & 31, code >> 5):
            if field:
                term = int(x[column]) << (14 - (field - 1) // 2)
                shifted[row] += -term if (field - 1) % 2 else term
    np.testing.assert_array_equal(shifted * 2.0 ** (levels.top - 14), values.astype(np.float64) @ x)


def test_fixed_point_saturates_and_lies_on_its_grid():
    levels = FixedPoint(2, 6)
    ends = levels.nearest(np.array([[-9.0, 9.0, 2**-7, 3 * 2**-7]], np.float32), None)
    assert ends.tolist() == [[-2.0, 2.0 - 2**-6, 0.0, 2 * 2**-6]]  # halves go to the even multiple
    wide = FixedPoint(2, 14).nearest(WEIGHTS, None)
    assert (wide * 2**14 == np.rint(wide * 2**14)).all()
    assert np.abs(wide - WEIGHTS).max() <= 2**-15


def test_8_bit_floating_point_is_the_upper_half_of_float16():
    finite = (np.arange(256, dtype=np.uint16) << 8).view(np.float16).astype(np.float32)
    finite = np.unique(finite[np.isfinite(finite)] + np.float32(0))
    np.testing.assert_array_equal(FloatingPoint(5, 2).entries, finite)


@settings(deadline=None, max_examples=300)
@given(st.floats(-57344, 57344, width=32))
def test_casts_are_those_of_torch(weight):
    ours = FloatingPoint(5, 2).nearest(np.full((1, 1), weight, np.float32), None)[0, 0]
    assert ours == torch.tensor(weight).to(torch.float8_e5m2).float()


def test_hashed_weights_are_the_projection_of_least_error():
    levels = Hashed.fitted(WEIGHTS, 100, seed=3)
    place, sign = hashes(WEIGHTS.size, 100, 3)
    design = np.zeros((WEIGHTS.size, 100))
    design[np.arange(WEIGHTS.size), place] = sign
    best = np.linalg.lstsq(design, WEIGHTS.reshape(-1).astype(np.float64), rcond=None)[0]
    np.testing.assert_allclose(levels.shared, best, atol=1e-6)
    np.testing.assert_allclose(levels.decode(np.empty(0)).reshape(-1), design @ best, atol=1e-6)


def test_buckets_and_signs_pass_a_chi_squared_test():
    for seed, buckets in itertools.product(range(5), (7, 64, 1000)):
        place, sign = hashes(100_000, buckets, seed)
        assert stats.chisquare(np.bincount(place, minlength=buckets)).pvalue > 1e-4
        assert stats.binomtest(int((sign > 0).sum()), sign.size).pvalue > 1e-4
        table = np.stack([np.bincount(place[sign == side], minlength=buckets) for side in (-1, 1)])
        assert stats.chi2_contingency(table).pvalue > 1e-4
