"""K-means weight sharing against the plain textbook algorithm, and the counting identities."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.methods.quantize._clusters import centroids_of, order
from workbench.methods.quantize.kmeans import KMeans
from workbench.weights.form import Form
from workbench.weights.levels.codebook import Codebook


def lloyd(values: np.ndarray, k: int) -> np.ndarray:
    """Naive twin: assign every value to its nearest centroid, average, repeat."""
    centroids = np.linspace(values.min(), values.max(), k).astype(np.float64)
    for _ in range(300):
        nearest = np.abs(values.astype(np.float64)[:, None] - centroids[None, :]).argmin(axis=1)
        moved = np.array([values[nearest == i].mean(dtype=np.float64) if (nearest == i).any() else c
                          for i, c in enumerate(centroids)])  # fmt: skip
        if np.allclose(moved, centroids, rtol=0, atol=1e-13):
            break
        centroids = moved
    return centroids[np.unique(nearest)]


def error(values: np.ndarray, centroids: np.ndarray) -> float:
    return float((np.abs(values[:, None] - centroids[None, :]).min(axis=1) ** 2).sum())


def test_equals_the_naive_algorithm() -> None:
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    for bits in (1, 2, 3, 4, 5):
        np.testing.assert_allclose(centroids_of(order(values), 2**bits), lloyd(values, 2**bits), rtol=1e-4, atol=1e-5)


def test_more_centroids_never_hurt_here_and_256_are_nearly_exact() -> None:
    values = np.random.default_rng(1).laplace(size=5000).astype(np.float32)
    errors = [error(values, centroids_of(order(values), 2**bits)) for bits in range(1, 9)]
    assert all(a > b for a, b in itertools.pairwise(errors))
    assert errors[-1] / (values**2).sum() < 1e-3


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(np.float32, st.sampled_from([(1, 1), (4, 9), (3, 2, 5, 5)]), elements=st.floats(-9, 9, width=32)),
    st.integers(1, 8),
)
def test_at_most_k_values_and_zeros_stay_zero(values: np.ndarray, bits: int) -> None:
    part = KMeans(bits=bits).apply({"a": Form.of(values)})["a"].parts[0]
    assert isinstance(part.levels, Codebook) and part.codes is not None
    alive = values != 0
    assert len(np.unique(part.values[alive])) <= 2**bits
    assert not part.values[~alive].any()
    np.testing.assert_array_equal(part.levels.decode(part.codes)[alive], part.values[alive] + np.float32(0))
    # every weight has the nearest entry of its table
    distance = np.abs(values[alive][:, None] - part.levels.centroids[None, :])
    np.testing.assert_allclose(np.abs(values - part.values)[alive], distance.min(axis=1), atol=1e-5)


def test_few_distinct_values_are_held_without_loss() -> None:
    values = np.array([[1, 1, 2], [0, -5, 2]], np.float32)
    np.testing.assert_array_equal(KMeans(bits=2).apply({"a": Form.of(values)})["a"].compose(), values)
