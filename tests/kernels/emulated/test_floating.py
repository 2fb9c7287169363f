"""Products in a narrow floating point: a scalar twin that rounds each product and each sum, in exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from workbench.kernels.emulated.floating import rounded_product, rounded_sum


def nearest(x: Fraction, exponent: int, mantissa: int) -> Fraction:
    """The number of (1, exponent, mantissa) nearest to x, halves to the even mantissa, at most the largest."""
    if x == 0:
        return x
    bias = 2 ** (exponent - 1) - 1
    size, binade = abs(x), math.floor(math.log2(abs(x)))
    binade += (size >= Fraction(2) ** (binade + 1)) - (size < Fraction(2) ** binade)  # log2 of a float may err by one
    step = Fraction(2) ** (max(binade, 1 - bias) - mantissa)
    found = round(size / step) * step
    largest = (2 - Fraction(1, 2**mantissa)) * Fraction(2) ** bias
    return min(found, largest) * (1 if x > 0 else -1)


def twin(a: np.ndarray, b: np.ndarray, exponent: int, mantissa: int, chunk: int) -> np.ndarray:
    y = np.zeros((a.shape[0], b.shape[1]))
    for row in range(a.shape[0]):
        for column in range(b.shape[1]):
            total = Fraction(0)
            for start in range(0, a.shape[1], chunk):
                part = Fraction(0)
                for k in range(start, min(start + chunk, a.shape[1])):
                    product = nearest(Fraction(a[row, k]) * Fraction(b[k, column]), exponent, mantissa)
                    part = nearest(part + product, exponent, mantissa)
                total = nearest(total + part, exponent, mantissa)
            y[row, column] = float(total)
    return y


def of_format(random: np.random.Generator, shape: tuple[int, ...], exponent: int, mantissa: int) -> np.ndarray:
    drawn = random.normal(size=shape) * 2.0 ** random.integers(-6, 3, shape)
    return np.vectorize(lambda x: float(nearest(Fraction(x), exponent, mantissa)))(drawn)


@pytest.mark.parametrize(
    ("operands", "sums", "chunk"),
    [((5, 2), (6, 9), 4), ((5, 2), (6, 9), 100), ((8, 15), (8, 15), 100), ((4, 3), (4, 3), 5)],
)
def test_every_product_and_sum_is_rounded_as_in_the_scalar_twin(operands, sums, chunk):
    random = np.random.default_rng(0)
    a, b = of_format(random, (3, 21), *operands), of_format(random, (21, 5), *operands)
    found = rounded_product(a, b, *sums, chunk)
    np.testing.assert_array_equal(found, twin(a, b, *sums, chunk))
    assert (found != a @ b).any()  # an arithmetic that rounds nothing fails here
    np.testing.assert_array_equal(
        rounded_sum(a, a[::-1], *sums)[0, 0], float(nearest(Fraction(a[0, 0]) + Fraction(a[2, 0]), *sums))
    )


def test_small_numbers_and_large_ones():
    """Subnormals of (1, 5, 2) are multiples of 2^−16; the largest number, 57,344, stays under what is added to it."""
    tiny, largest = np.array([[2.0**-16]]), np.array([[57344.0]])
    assert rounded_product(tiny, np.array([[0.75]]), 5, 2, 1) == 2.0**-16
    assert rounded_product(tiny, np.array([[0.5]]), 5, 2, 1) == 0  # halfway, to the even one
    assert rounded_product(largest, np.array([[4.0]]), 5, 2, 1) == 57344


@pytest.mark.parametrize("depth", [4096, 16384])
def test_a_sum_in_chunks_errs_less_than_one_from_end_to_end(depth):
    """Products with a mean of 1 in 16 bits: the naive sum stalls once its half step is more than what is added."""
    random = np.random.default_rng(0)
    a, ones = of_format(random, (1, depth), 5, 2), np.ones((depth, 1))
    a = np.abs(a)
    exact = float(a.sum())
    naive, chunked = (abs(float(rounded_product(a, ones, 6, 9, chunk)[0, 0]) - exact) for chunk in (depth, 64))
    assert chunked < naive / 10


def test_what_does_not_fit_is_refused():
    one = np.zeros((2, 3))
    for bad in (lambda: rounded_product(one, one, 6, 9, 64), lambda: rounded_product(one, one.T, 6, 24, 64)):
        with pytest.raises(ValueError, match=r"not emulated|no product"):
            bad()
    with pytest.raises(ValueError, match="not added"):
        rounded_sum(one, one.T, 6, 9)
