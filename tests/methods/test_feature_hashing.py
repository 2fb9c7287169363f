"""Feature hashing: products are the same on average over the hashes, with the variance that the paper gives."""

import numpy as np
import torch
from torch import nn

from tests.clouds import perceptron
from workbench.compression.compressed import compress
from workbench.methods.hashing.feature_hashing import FeatureHashing
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.weights.form import Form
from workbench.weights.levels.hashed_inputs import HashedInputs


def test_products_are_the_same_on_average_with_the_variance_of_lemma_2():
    """σ² = 1/m Σ_{i≠j} (x_i² w_j² + x_i w_i x_j w_j); the mean within four standard errors of 4,000 seeds."""
    random, buckets, seeds = np.random.default_rng(0), 8, 4000
    x, w = random.standard_normal((2, 30))
    row = w[None].astype(np.float32)
    found = [HashedInputs.of(row, buckets, seed).decode(np.empty(0))[0] @ x for seed in range(seeds)]
    plain = float(w @ x)
    variance = ((x**2).sum() * (w**2).sum() + plain**2 - 2 * ((x * w) ** 2).sum()) / buckets
    assert abs(np.mean(found) - plain) <= 4 * np.sqrt(variance / seeds)
    np.testing.assert_allclose(np.var(found), variance, rtol=0.15)


def test_a_layer_multiplies_hashed_inputs_with_hashed_weights():
    random = np.random.default_rng(1)
    weights, x = random.standard_normal((5, 3, 2, 2)).astype(np.float32), random.standard_normal((7, 12))
    form = FeatureHashing(share=0.5, seed=3).compress(Form.of(weights), None)
    (part,) = form.parts
    hashed_inputs = np.stack([HashedInputs.of(row[None].astype(np.float32), 6, 3).sums[0] for row in x])
    expected = hashed_inputs @ part.levels.sums.T
    np.testing.assert_allclose(x @ part.values.reshape(5, 12).T, expected, rtol=1e-4, atol=1e-5)
    assert part.levels.table_bytes == 4 * 5 * 6


def test_what_meets_no_unrolled_input_is_left_alone_and_sparse_ones_survive():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(9, 6), nn.Flatten(), nn.Linear(12, 3))
    model = Model.from_module(module, torch.zeros(1, 2, dtype=torch.long), name="table")
    compressed = compress(model, Recipe((Step(FeatureHashing()),)))
    assert [note.layer for note in compressed.notes if "left it alone" in note.text] == ["0"]
    assert compressed.forms["2"].parts[0].levels.kind == "hashed-inputs"


def test_its_size_falls_with_the_buckets():
    sizes = [compress(perceptron(), Recipe((Step(FeatureHashing(share=share)),))).size.value for share in (0.1, 0.5)]
    assert sizes[0] < sizes[1] < compress(perceptron(), Recipe()).size.value
