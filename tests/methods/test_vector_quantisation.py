"""Product, residual and binary quantisation of vectors: identities, errors that fall, and published rates."""

import itertools

import numpy as np
import pytest

import workbench
from workbench.compression.compressed import compress
from workbench.methods.quantize import _clusters
from workbench.methods.quantize._vectors import table
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.product import ProductQuantisation
from workbench.methods.quantize.residual import ResidualQuantisation
from workbench.methods.quantize.uniform import Uniform
from workbench.recipe import Recipe, Step
from workbench.weights.form import Form

WEIGHTS = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)


def error(form: Form) -> float:
    return float(np.square(form.compose() - WEIGHTS, dtype=np.float64).sum())


def scalar(column: np.ndarray, count: int) -> np.ndarray:
    """Naive twin: one-dimensional k-means from values evenly spread over the sorted ones."""
    values = np.sort(column.astype(np.float64))
    centroids = values[np.linspace(0, len(values) - 1, count).round().astype(int)]
    for _ in range(25):
        nearest = np.abs(column[:, None] - centroids[None, :]).argmin(1)
        moved = [column[nearest == k].mean(dtype=np.float64) if (nearest == k).any() else c
                 for k, c in enumerate(centroids)]  # fmt: skip
        if np.allclose(moved, centroids, rtol=0, atol=1e-12):
            break
        centroids = np.array(moved)
    return centroids[nearest]


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_product_quantisation_of_single_columns_is_scalar_quantisation_of_each(bits):
    found = ProductQuantisation(bits=bits, length=1).apply({"a": Form.of(WEIGHTS)})["a"].compose()
    for column in range(WEIGHTS.shape[1]):
        np.testing.assert_allclose(found[:, column], scalar(WEIGHTS[:, column], 2**bits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [1, 5, 8, 16])
def test_the_residual_falls_with_every_stage_and_a_single_one_is_product_quantisation(length):
    forms = [
        ResidualQuantisation(bits=2, stages=stages, length=length).apply({"a": Form.of(WEIGHTS)})["a"]
        for stages in (1, 2, 3, 4)
    ]
    errors = [error(form) for form in forms]
    assert all(more > less for more, less in itertools.pairwise([float((WEIGHTS**2).sum()), *errors]))
    one = ProductQuantisation(bits=2, length=length).apply({"a": Form.of(WEIGHTS)})["a"]
    np.testing.assert_array_equal(forms[0].compose(), one.compose())


def test_within_cluster_squares_never_rise_between_rounds(monkeypatch):
    vectors = WEIGHTS.reshape(-1, 4).astype(np.float64)
    values, known = WEIGHTS.ravel(), _clusters.order(WEIGHTS)
    of_vectors, of_numbers = [], []
    for rounds in range(1, 12):
        found = table(vectors, 8, rounds)
        of_vectors.append(((vectors[:, None] - found) ** 2).sum(2).min(1).sum())
        monkeypatch.setattr(_clusters, "_ROUNDS", rounds)
        of_numbers.append(((values[:, None] - _clusters.centroids_of(known, 8)) ** 2).min(1).sum())
    for squares in (of_vectors, of_numbers):
        assert all(later <= before * (1 + 1e-6) for before, later in itertools.pairwise(squares))
        assert squares[-1] < squares[0]


def rate(method, part: str = "codes") -> float:
    """Bits of float32 weights over those of codes."""
    model = workbench.load("lenet-300-100/mnist")
    size = compress(model, Recipe((Step(method),))).size.by_part
    return 4 * sum(layer.size for layer in model.layers) / size[part]


def test_eight_times_is_sixteen_values_and_sixteen_times_four():
    """Gong et al.'s 8-16 times of scalar k-means; the signs alone are 32 times (their binary quantisation)."""
    rates = [rate(KMeans(bits=bits)) for bits in range(1, 6)]
    np.testing.assert_allclose(rates, [32 / bits for bits in range(1, 6)], rtol=1e-3)
    assert rate(Uniform(bits=1)) == pytest.approx(32, rel=1e-3)


def test_the_published_rate_of_product_quantisation_is_that_of_its_codes_and_tables():
    """32 m n / (32 k n + log₂k · m · s) of a matrix [m, n] in s stretches of columns."""
    model = workbench.load("lenet-300-100/mnist")
    recipe = Recipe((Step(ProductQuantisation(bits=4, length=4), ("fc1",)),))
    compressed = compress(model, recipe)
    (m, n), k, s = model.layer("fc1").shape, 16, 784 // 4
    stored = compressed.forms["fc1"].parts[0]
    found = stored.levels.table_bytes + -(-stored.codes.size * stored.levels.stored_bits // 8)
    assert 4 * m * n / found == pytest.approx(32 * m * n / (32 * k * n + 4 * m * s), rel=1e-9)


def test_a_residual_code_is_a_sum_of_its_stages_and_goes_through_a_file(tmp_path):
    model = workbench.load("lenet-5/mnist")
    compressed = compress(model, Recipe((Step(ResidualQuantisation(bits=3, stages=3, length=5)),)))
    for form in compressed.forms.values():
        part = form.parts[0]
        total = sum(stage.decode(part.codes[..., number]) for number, stage in enumerate(part.levels.stages))
        np.testing.assert_allclose(part.values, total, rtol=0, atol=1e-6)
    path = compressed.save(tmp_path / "net.cwb")
    assert path.stat().st_size == compressed.size.value
    back = workbench.read(path)
    for name, form in compressed.forms.items():
        assert back.forms[name].compose().tobytes() == form.compose().tobytes()
