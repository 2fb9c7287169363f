"""Weighted and entropy-constrained k-means beside naive twins, alone and over a whole network."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.nn import functional

import workbench
from tests.zoo import loaded
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import CompressedModel, compress
from workbench.errors import RecipeError
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize._clusters import centroids_of, order
from workbench.methods.quantize.entropy_constrained import EntropyConstrained, Least
from workbench.methods.quantize.hessian_weighted import HessianWeighted
from workbench.methods.quantize.kmeans import KMeans
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.train.loop import accuracy

RNG = np.random.default_rng(0)
WEIGHTS, H = RNG.normal(size=900).astype(np.float32), RNG.random(900) ** 4 * (RNG.random(900) > 0.1)


@pytest.fixture(scope="module")
def model() -> workbench.Model:
    return loaded("lenet-300-100/mnist")


def made(model, *methods) -> CompressedModel:
    return compress(model, Recipe(tuple(Step(one) for one in methods)))


def naive(values: np.ndarray, h: np.ndarray, k: int) -> np.ndarray:
    centroids = np.linspace(values.min(), values.max(), k).astype(np.float64)
    for _ in range(300):
        nearest = np.abs(values[:, None] - centroids).argmin(1)
        centroids = np.array([
            np.average(values[nearest == one], weights=h[nearest == one]) if h[nearest == one].any() else was
            for one, was in enumerate(centroids)
        ])  # fmt: skip
    return centroids[np.unique(nearest)]


@pytest.mark.parametrize("k", [2, 4, 16])
def test_weighted_centroids_are_weighted_means_of_the_nearest(k):
    np.testing.assert_allclose(centroids_of(order(WEIGHTS, H), k), naive(WEIGHTS, H, k), rtol=1e-4, atol=1e-5)
    alike = centroids_of(order(WEIGHTS, np.ones(900)), k)
    np.testing.assert_array_equal(alike, centroids_of(order(WEIGHTS), k))


@pytest.mark.parametrize("bits", [2, 4])
def test_all_alike_and_each_layer_by_itself_it_is_plain_k_means(model, bits):
    """Catalogue QU-05: h ≡ 1 reproduces plain k-means."""
    weighted = made(model, Magnitude(0.3), HessianWeighted(bits=bits, weighting="none", scope="layer"))
    plain = made(model, Magnitude(0.3), KMeans(bits=bits))
    for name, form in plain.forms.items():
        assert weighted.forms[name].compose().tobytes() == form.compose().tobytes()


def test_one_table_serves_the_whole_network(model):
    forms = made(model, HessianWeighted(bits=3)).forms
    values = [np.unique(form.compose()) for form in forms.values()]
    together = np.unique(np.concatenate(values))
    assert together.size <= 8
    evidence = Calibration(State.of(model), "one table")
    weights = np.concatenate([layer.weight.ravel() for layer in model.layers]).astype(np.float64)
    h = np.concatenate([evidence.curvatures(name).ravel() for name in forms])
    found = np.concatenate([form.compose().ravel() for form in forms.values()])
    for value in together:  # Σ h w / Σ h over all layers
        assert value == pytest.approx(np.average(weights[found == value], weights=h[found == value]), abs=2e-4)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("price", [0.0, 0.01, 0.1, 1.0])
def test_each_code_is_the_cheapest_and_the_cost_never_rises(price, alike):
    start = centroids_of(order(WEIGHTS), 16).astype(np.float64)
    least = Least.of(WEIGHTS.astype(np.float64), np.ones(900) if alike else H, start, price)
    assert all(later <= before + 1e-12 for before, later in itertools.pairwise(least.costs))
    shares, h = np.bincount(least.codes, minlength=len(least.values)) / 900, np.ones(900) if alike else H / H.mean()
    cost = h[:, None] * (WEIGHTS[:, None] - least.values) ** 2 - price * np.log2(shares)
    chosen = cost[np.arange(900), least.codes]
    np.testing.assert_allclose(chosen.mean(), least.costs[-1], rtol=1e-9)
    assert (chosen <= cost.min(1) + 1e-2 * cost.min(1).mean()).mean() > 0.98  # but for the last round's moves


def test_without_a_price_it_goes_on_from_k_means_and_with_one_its_codes_take_fewer_bits(model):
    layers, squares, sizes = ("fc2", "fc3"), [], []
    for method in [HessianWeighted(bits=4, weighting="none")] + [
        EntropyConstrained(bits=4, price=price) for price in (0.0, 0.05, 0.2)
    ]:
        found = compress(model, Recipe((Step(method, layers),)))
        pairs = [(found.forms[name].compose(), model.layer(name).weight) for name in layers]
        squares.append(sum(float(np.square(now - was, dtype=np.float64).sum()) for now, was in pairs))
        sizes.append(found.size.value)
    assert squares[1] <= squares[0] < squares[2] < squares[3]
    assert sizes[1] > sizes[2] > sizes[3]


def test_zeros_stay_and_products_of_matrices_are_named(model):
    for method in (HessianWeighted(bits=2), EntropyConstrained(bits=3, price=0.05)):
        steps = Step(Magnitude(0.8)), Step(method, ("fc2", "fc3"))
        cut, both = (compress(model, Recipe(some)).forms for some in (steps[:1], steps))
        for name in ("fc2", "fc3"):
            zero = cut[name].compose() == 0
            assert not both[name].compose()[zero].any() and both[name].compose()[~zero].any()
        with pytest.raises(RecipeError, match="'fc1'.*product of matrices"):
            compress(model, Recipe((Step(SVD(rank=0.3), ("fc1",)), Step(method, ("fc1",)))))


def test_second_moments_rank_weights_as_the_curvature_does(model):
    """Catalogue QU-06: more than 0.5; and they are Adam's v̂, beside torch's own optimiser at a rate of nothing."""
    evidence = Calibration(State.of(model), "second moments")
    for name in ("fc1", "fc2", "fc3"):
        both = evidence.curvatures(name).ravel(), evidence.second_moments(name).ravel()
        assert spearmanr(*both).statistic > 0.8
    module, split = State.of(model).module(), model.data.split("calibration")
    for one in module.parameters():
        one.requires_grad_(True)
    adam, truth = torch.optim.Adam(module.parameters(), lr=0.0), split.targets()
    for some in torch.arange(len(split)).split(10):
        adam.zero_grad()
        functional.cross_entropy(module(split.inputs()[some]), truth[some]).backward()
        adam.step()
    kept = adam.state[module.get_parameter("fc2.weight")]
    corrected = kept["exp_avg_sq"].double().numpy() / (1 - 0.999 ** float(kept["step"]))
    np.testing.assert_allclose(evidence.second_moments("fc2"), corrected, rtol=1e-3, atol=1e-14)


@pytest.mark.slow
def test_together_the_curvature_helps_and_second_moments_do_as_well(model, record_property):
    """Catalogue QU-05, joint: 98.06 → 98.11, 97.29 → 97.84 and 93.99 → 94.50 on another network; QU-06, GU-28."""
    test = model.data.split("test")
    found = {}
    for bits in (4, 3, 2, 1):
        for scope, weighting in (
            ("network", "none"), ("network", "curvature"), ("network", "second-moments"), ("layer", "none"),
            ("layer", "curvature"),
        ):  # fmt: skip
            compressed = made(model, HessianWeighted(bits=bits, scope=scope, weighting=weighting))
            found[bits, scope, weighting] = accuracy(compressed.to_torch(), test)
            record_property(f"k = {2**bits}, {scope}, {weighting}", f"{found[bits, scope, weighting]:.2%}")
    for bits in (3, 2, 1):
        assert found[bits, "network", "curvature"] > found[bits, "network", "none"]
    assert found[4, "network", "curvature"] > found[4, "network", "none"] - 0.002
    for bits in (4, 3, 2):
        assert found[bits, "network", "second-moments"] > found[bits, "network", "curvature"] - 0.003
